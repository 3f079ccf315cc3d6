//! The errors of Backend API calls, classified by what the caller can do about them.

use std::time::Duration;

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;
use thiserror::Error;

use crate::outbound::OutboundError;

/// A failed Backend API call.
///
/// `Display` is a message for the caller of a tool: it says what failed and whether to retry. It contains no
/// secret and no text from Clerk's response.
///
/// ```
/// use clerk_mcp::{clerk::ClerkError, context::get_client, id::UserId, mcp::ToolError};
///
/// async fn in_a_tool(id: UserId) -> Result<String, ToolError> {
///     match get_client()?.user(&id).await {
///         Ok(user) => Ok(user.first_name.clone().unwrap_or_default()),
///         Err(ClerkError::NotFound) => Err(ToolError::failed("User not found.")),
///         Err(other) => Err(other.into()),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClerkError {
    /// Clerk rejected the secret key of this server (401).
    #[error("Clerk rejected this server's secret key. Trying again won't help; tell the server's operator.")]
    KeyRejected {
        /// Clerk's error code, such as `clerk_key_invalid`.
        code: Option<String>,
    },
    /// The operation is not allowed for this application (403), for example because organizations are
    /// disabled.
    #[error(
        "Clerk does not allow this for this application. Trying again won't help; tell the server's operator."
    )]
    Forbidden {
        /// Clerk's error code, such as `organization_not_enabled_in_instance`.
        code: Option<String>,
    },
    /// The object does not exist (404).
    #[error("Clerk has no object with this id; it may have been deleted. Trying again won't help.")]
    NotFound,
    /// Too many requests (429).
    #[error("Clerk's rate limit for this server is exceeded. Try again in {} s.", .retry_after.map_or(10, |wait| wait.as_secs()))]
    RateLimited {
        /// The time from the `Retry-After` header.
        retry_after: Option<Duration>,
    },
    /// Clerk is unreachable or returned a 5xx status.
    #[error("Clerk is not available at the moment. Try again in a minute.")]
    Unavailable {
        /// Why there is no complete response; `None` for a 5xx status, or if the fetch panicked.
        cause: Option<OutboundError>,
    },
    /// The response could not be parsed.
    #[error(
        "Clerk sent an unexpected response. Trying again is unlikely to help; tell the server's operator."
    )]
    UnexpectedBody,
    /// Clerk rejected the request with another status.
    #[error(
        "Clerk rejected the request (HTTP status {status}). Trying again won't help; tell the server's operator."
    )]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// Clerk's error code.
        code: Option<String>,
    },
}

impl From<OutboundError> for ClerkError {
    fn from(cause: OutboundError) -> Self {
        match cause {
            OutboundError::Connect | OutboundError::Timeout | OutboundError::Broken => {
                Self::Unavailable { cause: Some(cause) }
            }
            OutboundError::TooLarge => Self::UnexpectedBody,
        }
    }
}

impl ClerkError {
    /// Creates the error for a status other than 200. Reads the error code if the body is Clerk's error
    /// envelope.
    pub(super) fn from_response(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let code = || -> Option<String> {
            let envelope: Envelope = serde_json::from_slice(body).ok()?;
            envelope.errors.into_iter().next().map(|error| error.code)
        };
        match status {
            StatusCode::UNAUTHORIZED => Self::KeyRejected { code: code() },
            StatusCode::FORBIDDEN => Self::Forbidden { code: code() },
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited { retry_after },
            status if status.is_server_error() => Self::Unavailable { cause: None },
            status => Self::Rejected {
                status: status.as_u16(),
                code: code(),
            },
        }
    }

    /// Parses `Retry-After` in seconds, the only form that Clerk sends.
    pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
        headers
            .get(RETRY_AFTER)?
            .to_str()
            .ok()?
            .parse()
            .ok()
            .map(Duration::from_secs)
    }

    /// Returns whether an immediate retry may succeed.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. } => true,
            // A timeout takes 2 s (connecting) or 5 s (the whole call). Another attempt would rarely fit in.
            Self::Unavailable { cause } => *cause != Some(OutboundError::Timeout),
            Self::KeyRejected { .. }
            | Self::Forbidden { .. }
            | Self::NotFound
            | Self::UnexpectedBody
            | Self::Rejected { .. } => false,
        }
    }

    /// Returns a stable identifier of the error, for logs and metrics.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::KeyRejected { .. } => "secret-key-invalid",
            Self::Forbidden { .. } => "clerk-forbidden",
            Self::NotFound => "clerk-not-found",
            Self::RateLimited { .. } => "clerk-rate-limited",
            Self::Unavailable { .. } => "clerk-unavailable",
            Self::UnexpectedBody => "clerk-unexpected-answer",
            Self::Rejected { .. } => "clerk-refused",
        }
    }
}

/// The part of Clerk's error envelope that is used here.
#[derive(Deserialize)]
struct Envelope {
    errors: Vec<EnvelopeError>,
}

#[derive(Deserialize)]
struct EnvelopeError {
    code: String,
}
