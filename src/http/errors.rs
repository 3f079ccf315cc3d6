//! What a request gets that no route answers, or that fails: JSON bodies for 404, 405, 403 and 500.

use poem::{
    Endpoint, EndpointExt, IntoResponse, Request, Response, Result,
    error::{CorsError, MethodNotAllowedError, NotFoundError},
    http::{HeaderValue, Method, StatusCode, header},
};

use crate::{auth::ErrorBody, reason::Reason};

/// Names the methods that `endpoint` takes when it's asked with another (RFC 9110 §15.5.6).
pub(crate) fn allow_methods<E: Endpoint>(endpoint: E, methods: &'static str) -> AllowMethods<E> {
    AllowMethods {
        methods,
        inner: endpoint,
    }
}

/// The endpoint that [`allow_methods`] makes.
#[derive(Debug)]
pub(crate) struct AllowMethods<E> {
    methods: &'static str,
    inner: E,
}

impl<E: Endpoint> Endpoint for AllowMethods<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let method = request.method().clone();
        match self.inner.call(request).await {
            Err(error) if error.is::<MethodNotAllowedError>() => {
                let mut response = if method == Method::OPTIONS {
                    StatusCode::NO_CONTENT.into_response()
                } else {
                    error_response(error)
                };
                response
                    .headers_mut()
                    .insert(header::ALLOW, HeaderValue::from_static(self.methods));
                Ok(response)
            }
            Err(error) => Ok(error_response(error)),
            Ok(response) => Ok(response.into_response()),
        }
    }
}

/// Turns the errors of `endpoint` into responses.
pub(crate) fn json_errors<E: Endpoint + 'static>(endpoint: E) -> impl Endpoint<Output = Response> + 'static {
    endpoint
        .catch_all_error(|error| async move { error_response(error) })
        .map_to_response()
}

/// What a failed request gets: JSON in the form of a refusal, and nothing of the error's own text.
pub(crate) fn error_response(error: poem::Error) -> Response {
    if error.is::<NotFoundError>() {
        return json_error(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing here; see /docs for what there is",
        );
    }
    if error.is::<MethodNotAllowedError>() {
        return json_error(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This route takes other methods; see Allow",
        );
    }
    match error.downcast::<CorsError>() {
        Ok(CorsError::OriginNotAllowed) => {
            log_refusal(Reason::OriginNotAllowed);
            json_error(StatusCode::FORBIDDEN, "forbidden", "Origin not allowed")
        }
        Ok(error @ (CorsError::MethodNotAllowed | CorsError::HeadersNotAllowed)) => {
            tracing::error!(reason = %Reason::Internal, %error, "a request failed");
            internal_error()
        }
        Err(error) if error.status().is_client_error() => json_error(
            error.status(),
            "invalid_request",
            "The request could not be understood",
        ),
        Err(error) => {
            Reason::Internal.count();
            tracing::error!(reason = %Reason::Internal, %error, "a request failed");
            internal_error()
        }
    }
}

/// Our own fault.
pub(crate) fn internal_error() -> Response {
    json_error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "server_error",
        "The request could not be processed",
    )
}

/// Logs and counts a refusal that is the caller's to mend.
pub(super) fn log_refusal(reason: Reason) {
    reason.count();
    tracing::info!(%reason, "request refused");
}

pub(super) fn json_error(status: StatusCode, error: &str, error_description: &str) -> Response {
    let body = ErrorBody {
        error,
        error_description,
    };
    poem::web::Json(body)
        .with_status(status)
        .with_header(header::CACHE_CONTROL, "no-store")
        .into_response()
}
