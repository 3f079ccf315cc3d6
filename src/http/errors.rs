//! JSON error responses for requests that match no route or fail, such as 404, 405 and 500.

use poem::{
    IntoResponse, Response,
    error::{MethodNotAllowedError, NotFoundError},
    http::{StatusCode, header},
};

use crate::{auth::ErrorBody, log_limit::log_limited, reason::Reason};

/// Converts an error to a JSON response with a fixed text. The text of the error itself is not sent to the
/// client.
pub(super) fn error_response(error: &poem::Error) -> Response {
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
    if error.status().is_client_error() {
        return json_error(error.status(), "invalid_request", "The request is malformed");
    }
    Reason::Internal.count();
    log_limited!(error, "internal", reason = %Reason::Internal, %error, "request failed");
    internal_error()
}

/// Returns the response for an internal error of this server.
pub(super) fn internal_error() -> Response {
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
