//! The JSON error responses of `http`: 400 and 403 for a rejected `Host` or `Origin`, 404, 405, 500. Counts and
//! logs the rejections.

use poem::{
    Response,
    error::{MethodNotAllowedError, NotFoundError},
    http::{HeaderValue, StatusCode},
};

use super::host::HostError;
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
            "Method not allowed",
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

/// Counts and logs a request with a host that is rejected, and returns its response.
pub(super) fn reject_host(error: &HostError) -> Response {
    let reason = Reason::HostNotAllowed;
    reason.count();
    match error {
        HostError::Invalid => {
            log_limited!(info, "host-invalid", %reason, "request rejected: it has no Host header, several, or an invalid one");
            json_error(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "Exactly one valid Host header is required",
            )
        }
        HostError::NotAllowed(host) => {
            log_limited!(
                info, reason.as_str(), %reason, host = shown(host.as_bytes()),
                "request rejected: clients must use the host of BASE_URL. If this host is right, set BASE_URL"
            );
            json_error(StatusCode::FORBIDDEN, "forbidden", "Host not allowed")
        }
    }
}

/// Counts and logs a request of a web page whose `origin` is not allowed, and returns its response.
pub(super) fn reject_origin(origin: Option<&HeaderValue>) -> Response {
    let reason = Reason::OriginNotAllowed;
    reason.count();
    let origin = origin.map_or(&b""[..], HeaderValue::as_bytes);
    log_limited!(
        info, reason.as_str(), %reason, origin = shown(origin),
        "request rejected: pages of this origin may not call the server. To allow them, add it to ALLOWED_ORIGINS"
    );
    json_error(StatusCode::FORBIDDEN, "forbidden", "Origin not allowed")
}

/// Prepares a value of a client for the log: at most 100 characters, and ASCII without control characters.
fn shown(value: &[u8]) -> String {
    value.escape_ascii().take(MAX_SHOWN).map(char::from).collect()
}

pub(super) fn json_error(status: StatusCode, error: &str, error_description: &str) -> Response {
    ErrorBody {
        error,
        error_description,
    }
    .into_response(status)
}

const MAX_SHOWN: usize = 100;
