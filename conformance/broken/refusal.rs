//! The table of refusals: why a request is rejected, and the response for each reason.

/// Why a request is rejected. The text of `Invalid` is the reason, which is not sent to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No token, another scheme, or a value that is not a token.
    Missing,
    /// More than one credential.
    TwoCredentials,
    Expired,
    Invalid(&'static str),
    /// A scope is missing.
    Scopes {
        /// Every scope that the operation needs.
        needed: Vec<String>,
        /// The scopes of the token, which the client must request again.
        granted: Vec<String>,
    },
    /// The role `org:admin` is missing.
    Role,
    /// The server's secret key is bad.
    Misconfigured,
    /// Clerk is unavailable. Holds the seconds for `Retry-After`.
    Unavailable(u64),
    /// An internal error.
    Internal,
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) status: u16,
    /// `error` of the challenge. `None` sends no challenge, an empty text a challenge without `error`.
    pub(crate) challenge: Option<&'static str>,
    /// `error` of the body.
    pub(crate) error: &'static str,
    /// `error_description` of the body.
    pub(crate) description: String,
}

impl Refusal {
    /// Returns the row for this reason.
    pub(crate) fn row(&self) -> Row {
        let (status, challenge, error, description) = match self {
            Self::Missing => (
                401,
                Some(""),
                "unauthorized",
                "Missing or invalid bearer token".to_owned(),
            ),
            Self::TwoCredentials => (
                400,
                Some("invalid_request"),
                "invalid_request",
                "Exactly one bearer token is expected".to_owned(),
            ),
            Self::Expired => (
                401,
                Some("invalid_token"),
                "token_expired",
                "Token has expired".to_owned(),
            ),
            Self::Invalid(_) => (
                401,
                Some("invalid_token"),
                "invalid_token",
                "Token verification failed".to_owned(),
            ),
            Self::Scopes { needed, .. } => {
                let needed = format!("Required scopes: {}", needed.join(" "));
                (403, Some("insufficient_scope"), "insufficient_scope", needed)
            }
            Self::Role => (403, None, "forbidden", "Required role: org:admin".to_owned()),
            Self::Misconfigured => (
                500,
                None,
                "server_error",
                "Authentication service misconfigured".to_owned(),
            ),
            Self::Unavailable(_) => (
                503,
                None,
                "temporarily_unavailable",
                "Authentication service unavailable".to_owned(),
            ),
            Self::Internal => (
                500,
                None,
                "server_error",
                "Authentication processing failed".to_owned(),
            ),
        };
        Row {
            status,
            challenge,
            error,
            description,
        }
    }
}
