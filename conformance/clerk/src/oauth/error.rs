//! OAuth error codes and error responses (RFC 6749 §4.1.2.1 and §5.2), and Clerk's own error envelope.

use std::borrow::Cow;

use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::json;

use crate::{http::respond, store::instance::Instance};

/// The error codes that the authorization server sends, with the specification that defines each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorCode {
    /// RFC 6749 §4.1.2.1.
    AccessDenied,
    /// OIDC Core §3.1.2.6.
    LoginRequired,
    /// RFC 6749 §5.2.
    InvalidClient,
    /// RFC 6749 §5.2.
    InvalidGrant,
    /// RFC 6749 §5.2.
    InvalidRequest,
    /// RFC 6749 §5.2.
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
    /// RFC 6749 §5.2.
    UnsupportedGrantType,
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType,
    /// RFC 7009 §2.2.1.
    UnsupportedTokenType,
    /// RFC 7591 §3.2.2.
    InvalidRedirectUri,
    /// RFC 7591 §3.2.2.
    InvalidClientMetadata,
}

impl ErrorCode {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
        }
    }

    /// Returns the status of a JSON error response. Like Clerk, it is 401 for an unsupported grant type,
    /// where RFC 6749 §5.2 requires 400.
    fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient | Self::UnsupportedGrantType => StatusCode::UNAUTHORIZED,
            Self::AccessDenied
            | Self::LoginRequired
            | Self::InvalidGrant
            | Self::InvalidRequest
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::UnsupportedResponseType
            | Self::UnsupportedTokenType
            | Self::InvalidRedirectUri
            | Self::InvalidClientMetadata => StatusCode::BAD_REQUEST,
        }
    }
}

/// An OAuth error: its code, and a description for the developer of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OAuthError {
    pub(super) code: ErrorCode,
    pub(super) description: Cow<'static, str>,
}

impl OAuthError {
    pub(super) fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            description: description.into(),
        }
    }

    pub(super) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    pub(super) fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    /// Returns the error response of an endpoint that clients call directly.
    pub(super) fn into_response(self) -> Response {
        let body = json!({ "error": self.code.as_str(), "error_description": self.description });
        let mut response = respond::no_store(respond::json(self.code.status(), &body));
        if self.code == ErrorCode::InvalidClient {
            // RFC 6749 §5.2: required when the client used the Authorization header, allowed otherwise.
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Basic realm="oauth""#),
            );
        }
        response
    }
}

/// Returns an error response in Clerk's envelope, which the Frontend API uses where no OAuth error code
/// applies.
pub(super) fn clerk_error(
    instance: &Instance,
    status: StatusCode,
    code: &str,
    message: &str,
    long_message: &str,
) -> Response {
    let body = json!({
        "errors": [{ "message": message, "long_message": long_message, "code": code }],
        "clerk_trace_id": instance.ids.trace_id(),
    });
    respond::no_store(respond::json(status, &body))
}
