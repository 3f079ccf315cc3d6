//! Why a Backend API call failed, in terms of what to do about it.

use std::time::Duration;

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;
use thiserror::Error;

use crate::outbound::OutboundError;

/// A failed Backend API call. `Display` is a sentence that may be shown to the caller of a tool: it says what
/// happened and whether to try again, and holds no secret and no text of Clerk's answer.
///
/// ```
/// use clerk_mcp::{clerk::ClerkError, context::get_client, id::UserId, mcp::ToolError};
///
/// async fn in_a_tool(id: UserId) -> Result<String, ToolError> {
///     match get_client()?.user(&id).await {
///         Ok(user) => Ok(user.first_name.clone().unwrap_or_default()),
///         Err(ClerkError::NotFound) => Err(ToolError::failed("There is no such user.")),
///         Err(other) => Err(other.into()),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClerkError {
    /// Our secret key was not accepted (401).
    #[error("Clerk refused this server's secret key. Trying again won't help; tell the server's operator.")]
    KeyRefused {
        /// Clerk's error code, such as `clerk_key_invalid`.
        code: Option<String>,
    },
    /// The application may not do that (403), as when its organizations are turned off.
    #[error(
        "Clerk does not allow that for this application. Trying again won't help; tell the server's operator."
    )]
    Forbidden {
        /// Clerk's error code, such as `organization_not_enabled_in_instance`.
        code: Option<String>,
    },
    /// There's no such object (404).
    #[error("Clerk knows nothing of that id; it may have been deleted. Trying again won't help.")]
    NotFound,
    /// Too many requests (429).
    #[error("Clerk is limiting this server's requests. Try again in {} s.", .retry_after.map_or(10, |wait| wait.as_secs()))]
    RateLimited {
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No answer, or a 5xx.
    #[error("Clerk is not available at the moment. Try again in a minute.")]
    Unavailable {
        /// What came instead of an answer; `None`: a 5xx status.
        cause: Option<OutboundError>,
    },
    /// An answer that this version doesn't understand.
    #[error(
        "Clerk answered in an unexpected form. Trying again is unlikely to help; tell the server's operator."
    )]
    UnexpectedBody,
    /// Any other status: the request was wrong.
    #[error(
        "Clerk refused the request (HTTP status {status}). Trying again won't help; tell the server's operator."
    )]
    Refused {
        /// The status.
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
    /// A status other than 200, and Clerk's error envelope if the body is one.
    pub(super) fn from_answer(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let code = || -> Option<String> {
            let envelope: Envelope = serde_json::from_slice(body).ok()?;
            envelope.errors.into_iter().next().map(|error| error.code)
        };
        match status {
            StatusCode::UNAUTHORIZED => Self::KeyRefused { code: code() },
            StatusCode::FORBIDDEN => Self::Forbidden { code: code() },
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited { retry_after },
            status if status.is_server_error() => Self::Unavailable { cause: None },
            status => Self::Refused {
                status: status.as_u16(),
                code: code(),
            },
        }
    }

    /// `Retry-After` in seconds, the only form that Clerk sends.
    pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
        headers
            .get(RETRY_AFTER)?
            .to_str()
            .ok()?
            .parse()
            .ok()
            .map(Duration::from_secs)
    }

    /// Whether the same call may succeed in a moment.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. } => true,
            // A whole time limit has passed already; nobody waits for a second.
            Self::Unavailable { cause } => *cause != Some(OutboundError::Timeout),
            Self::KeyRefused { .. }
            | Self::Forbidden { .. }
            | Self::NotFound
            | Self::UnexpectedBody
            | Self::Refused { .. } => false,
        }
    }

    /// What happened, as a stable slug for logs and metrics.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::KeyRefused { .. } => "secret-key-invalid",
            Self::Forbidden { .. } => "clerk-forbidden",
            Self::NotFound => "clerk-not-found",
            Self::RateLimited { .. } => "clerk-rate-limited",
            Self::Unavailable { .. } => "clerk-unavailable",
            Self::UnexpectedBody => "clerk-unexpected-answer",
            Self::Refused { .. } => "clerk-refused",
        }
    }
}

/// Clerk's error envelope, as far as it's needed.
#[derive(Deserialize)]
struct Envelope {
    errors: Vec<EnvelopeError>,
}

#[derive(Deserialize)]
struct EnvelopeError {
    code: String,
}
