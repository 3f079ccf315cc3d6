//! The errors of the Backend API, in Clerk's error envelope, with Clerk's codes and texts.

use std::time::Duration;

use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::{Value, json};

use crate::http::{incoming::BodyError, respond};

/// An error of the Backend API (`ClerkErrors` in its API description).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClerkError {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    long_message: String,
    /// The invalid parameter, for `meta.param_name`.
    parameter: Option<String>,
    /// The value of `Retry-After`.
    retry_after: Option<Duration>,
}

impl ClerkError {
    fn new(
        status: StatusCode,
        code: &'static str,
        message: &'static str,
        long_message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            message,
            long_message: long_message.into(),
            parameter: None,
            retry_after: None,
        }
    }

    pub(super) fn authorization_header_format_invalid() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "authorization_header_format_invalid",
            "Invalid Authorization header format",
            "Invalid Authorization header format. Must be 'Bearer <YOUR_API_KEY>'",
        )
    }

    pub(super) fn clerk_key_invalid() -> Self {
        const TEXT: &str =
            "The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct.";
        Self::new(StatusCode::UNAUTHORIZED, "clerk_key_invalid", TEXT, TEXT)
    }

    /// For a machine secret key, which begins with `ak_`.
    pub(super) fn machine_secret_key_invalid() -> Self {
        const TEXT: &str =
            "The provided Machine Secret Key is invalid. Make sure that your Machine Secret Key is correct.";
        Self::new(StatusCode::UNAUTHORIZED, "machine_secret_key_invalid", TEXT, TEXT)
    }

    pub(super) fn too_many_requests(retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Too many requests",
                "Too many requests, retry later",
            )
        }
    }

    pub(super) fn api_version_invalid(reason: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "api_version_invalid",
            "invalid API version",
            format!("Invalid Clerk API version: {reason}"),
        )
    }

    pub(super) fn user_not_found(user_id: &str) -> Self {
        Self::not_found("not found", format!("No user was found with id {user_id}"))
    }

    pub(super) fn organization_not_found() -> Self {
        Self::not_found("not found", "Given organization not found.")
    }

    pub(super) fn session_not_found(session_id: &str) -> Self {
        Self::not_found(
            "Session not found",
            format!("No session was found with id {session_id}"),
        )
    }

    /// `kind` is `OAuth token`, `Machine token` or `API key`.
    pub(super) fn token_not_found(kind: &str) -> Self {
        Self::not_found("not found", format!("{kind} not found"))
    }

    pub(super) fn no_such_resource() -> Self {
        Self::not_found("not found", "Resource not found")
    }

    fn not_found(message: &'static str, long_message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "resource_not_found", message, long_message)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Method not allowed",
            "This resource does not support this method. The Allow header lists the supported methods.",
        )
    }

    pub(super) fn bad_request(long_message: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad_request",
            "Bad Request",
            long_message,
        )
    }

    pub(super) fn unsupported_content_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_type",
            "Unsupported content type",
            "The request body must be application/json",
        )
    }

    /// A parameter with a value of the wrong type.
    pub(super) fn parameter_format(parameter: &str, expected: &str) -> Self {
        Self::unprocessable(
            "form_param_format_invalid",
            "is invalid",
            format!("{parameter} must be {expected}"),
        )
        .with_parameter(parameter)
    }

    /// A parameter with a value outside its range.
    pub(super) fn parameter_value(parameter: &str, value: &str) -> Self {
        Self::unprocessable(
            "form_param_value_invalid",
            "is invalid",
            format!("{value} does not match one of the allowed values for parameter {parameter}"),
        )
        .with_parameter(parameter)
    }

    /// A parameter that appears more than once but must not.
    pub(super) fn parameter_duplicate(parameter: &str) -> Self {
        Self::unprocessable(
            "form_param_duplicate",
            "is duplicate",
            format!("{parameter} is included multiple times"),
        )
        .with_parameter(parameter)
    }

    /// A parameter that the operation does not support.
    pub(super) fn parameter_unknown(parameter: &str) -> Self {
        Self::unprocessable(
            "form_param_unknown",
            "is unknown",
            format!("{parameter} is not a valid parameter for this request."),
        )
        .with_parameter(parameter)
    }

    fn unprocessable(code: &'static str, message: &'static str, long_message: String) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message, long_message)
    }

    fn with_parameter(mut self, parameter: &str) -> Self {
        self.parameter = Some(parameter.to_owned());
        self
    }

    pub(super) fn into_response(self, trace_id: &str) -> Response {
        let mut error: Value =
            json!({ "message": self.message, "long_message": self.long_message, "code": self.code });
        if let (Some(parameter), Some(error)) = (self.parameter, error.as_object_mut()) {
            error.insert("meta".to_owned(), json!({ "param_name": parameter }));
        }
        let response = respond::json(
            self.status,
            &json!({ "errors": [error], "clerk_trace_id": trace_id }),
        );
        match self.retry_after {
            Some(wait) => respond::with_header(
                response,
                header::RETRY_AFTER,
                HeaderValue::from(respond::whole_seconds(wait)),
            ),
            None => response,
        }
    }
}

impl From<BodyError> for ClerkError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "request_body_too_large",
                "Request body too large",
                "The request body must not be larger than 64 KiB",
            ),
            BodyError::Unreadable => Self::new(
                StatusCode::BAD_REQUEST,
                "request_body_invalid",
                "Request body invalid",
                "The request body could not be read",
            ),
        }
    }
}
