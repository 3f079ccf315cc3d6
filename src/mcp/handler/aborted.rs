//! [`Aborted`]: why a handler did not return a result.

use std::{fmt, time::Duration};

use rmcp::ErrorData;

use crate::{log_limit::log_limited, reason::Reason};

/// The reason why a handler did not return a result.
#[derive(Debug, Clone, Copy)]
pub(super) enum Aborted {
    Unauthenticated,
    Cancelled,
    /// The handler panicked. Caught, because rmcp would not answer the request. The panic message is not sent:
    /// it may contain secrets.
    Panicked,
    TimedOut(Duration),
}

impl Aborted {
    pub(super) fn log(&self) {
        match self {
            Self::Cancelled => {}
            Self::Unauthenticated => log_limited!(error, "no-session", "MCP request without a session"),
            Self::Panicked => log_limited!(error, "panic", "MCP request handler panicked"),
            Self::TimedOut(limit) => {
                Reason::RequestTimeout.count();
                log_limited!(warn, "mcp-timeout", reason = %Reason::RequestTimeout, ?limit, "MCP request timed out");
            }
        }
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated => f.write_str("[Clerk] Session not initialized"),
            Self::Cancelled => f.write_str("The request was cancelled"),
            Self::Panicked => f.write_str("Internal error"),
            Self::TimedOut(limit) => write!(
                f,
                "This call timed out after {} seconds. Trying again may help.",
                limit.as_secs_f32()
            ),
        }
    }
}

impl From<Aborted> for ErrorData {
    fn from(aborted: Aborted) -> Self {
        Self::internal_error(aborted.to_string(), None)
    }
}
