//! JSON error responses for requests that match no route or fail: 403, 404, 405 and 500.

use poem::{
    Endpoint, EndpointExt, IntoResponse, Request, Response, Result,
    error::{CorsError, MethodNotAllowedError, NotFoundError},
    http::{HeaderValue, Method, StatusCode, header},
};

use crate::{auth::ErrorBody, log_limit::log_limited, reason::Reason};

/// Adds an `Allow` header with `methods` to the 405 responses of `endpoint` (RFC 9110 §15.5.6), and answers
/// `OPTIONS`.
pub(crate) fn allow_methods<E: Endpoint>(endpoint: E, methods: &'static str) -> AllowMethods<E> {
    AllowMethods {
        methods,
        inner: endpoint,
    }
}

/// The endpoint returned by [`allow_methods`].
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

/// Converts the errors of `endpoint` to JSON responses.
pub(crate) fn json_errors<E: Endpoint + 'static>(endpoint: E) -> impl Endpoint<Output = Response> + 'static {
    endpoint
        .catch_all_error(|error| async move { error_response(error) })
        .map_to_response()
}

/// Converts an error to a JSON response with a fixed text. The text of the error itself is not sent to the
/// client.
pub(crate) fn error_response(error: poem::Error) -> Response {
    if error.is::<NotFoundError>() {
        return json_error(
            StatusCode::NOT_FOUND,
            "not_found",
            "Not found; see /docs for the available routes",
        );
    }
    if error.is::<MethodNotAllowedError>() {
        return json_error(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Method not allowed; see the Allow header",
        );
    }
    match error.downcast::<CorsError>() {
        Ok(CorsError::OriginNotAllowed) => {
            log_refusal(Reason::OriginNotAllowed);
            json_error(StatusCode::FORBIDDEN, "forbidden", "Origin not allowed")
        }
        Ok(error @ (CorsError::MethodNotAllowed | CorsError::HeadersNotAllowed)) => {
            log_limited!(error, "internal", reason = %Reason::Internal, %error, "request failed");
            internal_error()
        }
        Err(error) if error.status().is_client_error() => {
            json_error(error.status(), "invalid_request", "The request is malformed")
        }
        Err(error) => {
            Reason::Internal.count();
            log_limited!(error, "internal", reason = %Reason::Internal, %error, "request failed");
            internal_error()
        }
    }
}

/// Returns the response for an internal error of this server.
pub(crate) fn internal_error() -> Response {
    json_error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "server_error",
        "The request could not be processed",
    )
}

/// Logs and counts a rejected request. At level INFO, because the client caused the error.
pub(super) fn log_refusal(reason: Reason) {
    reason.count();
    tracing::info!(%reason, "request rejected");
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
