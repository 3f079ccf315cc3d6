//! Every way a request can be refused, and the one table of what the client then gets.

use std::time::Duration;

use poem::{
    IntoResponse, Response,
    http::{StatusCode, header},
};
use serde::Serialize;
use thiserror::Error;

use super::challenge::{Challenge, ChallengeContext};
use crate::{
    clerk::{ClerkError, Misconfiguration},
    reason::Reason,
    session::Denied,
    token::{BearerError, KeyLookupError, ReportFault, TokenError, VerifyError},
};

/// Why a request is refused. Its `Display` is for the log; the client gets the row of [`refusal`](Self::refusal).
/// ```
/// use clerk_mcp::{auth::{AuthError, ChallengeError}, session::Denied};
///
/// let refusal = AuthError::from(Denied::Scopes { needed: vec!["a".into(), "b".into()] }).refusal();
/// assert_eq!(refusal.status, 403);
/// assert_eq!(refusal.challenge, ChallengeError::Code("insufficient_scope"));
/// assert_eq!(refusal.description, "Required scopes: a b");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    /// No credential that could be looked at, or more than one.
    #[error("{0}")]
    Bearer(#[from] BearerError),
    /// The token is at fault.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The token is right, but lacks what the operation needs.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// Our secret key is bad, or of another application.
    #[error("{0}")]
    Misconfigured(#[from] Misconfiguration),
    /// Clerk is away, and nothing held answers.
    #[error("{0}")]
    Unavailable(#[from] Outage),
    /// A fault of ours.
    #[error("authentication failed unexpectedly")]
    Internal,
}

/// What of Clerk is away.
///
/// ```
/// use clerk_mcp::{auth::{AuthError, Outage, Refusal}, clerk::ClerkError};
///
/// let Refusal { status, retry_after, .. } =
///     AuthError::Unavailable(Outage::Clerk(ClerkError::Unavailable { cause: None })).refusal();
/// assert_eq!((status.as_u16(), retry_after.is_some()), (503, true));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Outage {
    /// The key set.
    #[error("{0}")]
    Keys(#[from] KeyLookupError),
    /// The Backend API, asked about a token.
    #[error("Clerk could not be asked about the token ({})", .0.slug())]
    Clerk(ClerkError),
}

impl From<VerifyError> for AuthError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Token(error) => error.into(),
            // Nobody is there to ask Clerk.
            VerifyError::Opaque(kind) => TokenError::KindNotAccepted(kind).into(),
            VerifyError::Keys(error) => Self::Unavailable(Outage::Keys(error)),
        }
    }
}

impl From<ReportFault> for AuthError {
    fn from(fault: ReportFault) -> Self {
        match fault {
            ReportFault::Token(error) => error.into(),
            ReportFault::Incomplete => Self::Unavailable(Outage::Clerk(ClerkError::UnexpectedBody)),
        }
    }
}

impl AuthError {
    /// The reason, for logs and metrics.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Bearer(BearerError::Missing) => Reason::TokenMissing,
            Self::Bearer(BearerError::OtherScheme | BearerError::Malformed) => Reason::TokenMalformed,
            Self::Bearer(BearerError::MoreThanOne) => Reason::TokenRepeated,
            Self::Token(error) => error.reason(),
            Self::Denied(Denied::Scopes { .. }) => Reason::ScopeMissing,
            Self::Denied(Denied::Role { .. }) => Reason::RoleMissing,
            Self::Denied(Denied::Permission { .. }) => Reason::PermissionMissing,
            Self::Misconfigured(misconfiguration) => misconfiguration.reason(),
            Self::Unavailable(Outage::Keys(_)) => Reason::JwkRemoteFailedToLoad,
            Self::Unavailable(Outage::Clerk(_)) => Reason::ClerkUnavailable,
            Self::Internal => Reason::Internal,
        }
    }

    /// The table. **No wildcard**: a new way to fail must choose its row. 401 starts a sign-in at the client, so it
    /// is only for faults that a new token can cure; 403 without a challenge, 500 and 503 are for all others.
    pub fn refusal(&self) -> Refusal {
        match self {
            // RFC 6750 §3.1: without credentials, no error code.
            Self::Bearer(BearerError::Missing | BearerError::OtherScheme | BearerError::Malformed) => {
                Refusal {
                    status: StatusCode::UNAUTHORIZED,
                    challenge: ChallengeError::Bare,
                    error: "unauthorized",
                    description: "Missing or invalid bearer token".to_owned(),
                    ..Refusal::NONE
                }
            }
            // RFC 6750 §3.1: invalid_request, "uses more than one method", 400.
            Self::Bearer(BearerError::MoreThanOne) => Refusal {
                status: StatusCode::BAD_REQUEST,
                challenge: ChallengeError::Code("invalid_request"),
                error: "invalid_request",
                description: "Exactly one bearer token is expected".to_owned(),
                ..Refusal::NONE
            },
            // RFC 6750 §3.1: invalid_token covers expiry; the body tells it apart for clients that refresh.
            Self::Token(TokenError::Expired { .. }) => Refusal {
                status: StatusCode::UNAUTHORIZED,
                challenge: ChallengeError::Code("invalid_token"),
                error: "token_expired",
                description: "Token has expired".to_owned(),
                ..Refusal::NONE
            },
            // RFC 6750 §3.1: invalid_token. One text for all: the reason would teach a forger.
            Self::Token(
                TokenError::NotCompactJws(_)
                | TokenError::NotJsonObject { .. }
                | TokenError::Algorithm
                | TokenError::CriticalHeader
                | TokenError::HeaderType(_)
                | TokenError::KindNotAccepted(_)
                | TokenError::Unknown
                | TokenError::NotActive
                | TokenError::Revoked
                | TokenError::KeyIdMissing
                | TokenError::KeyIdUnknown
                | TokenError::Signature
                | TokenError::ClaimMissing(_)
                | TokenError::ClaimMalformed(_)
                | TokenError::Issuer { .. }
                | TokenError::NotYetValid
                | TokenError::IssuedInTheFuture
                | TokenError::AuthorizedParty
                | TokenError::AudienceMissing
                | TokenError::Audience { .. }
                | TokenError::SessionPending,
            ) => Refusal {
                status: StatusCode::UNAUTHORIZED,
                challenge: ChallengeError::Code("invalid_token"),
                error: "invalid_token",
                description: "Token verification failed".to_owned(),
                ..Refusal::NONE
            },
            // RFC 6750 §3.1, MCP "Scope Challenge Handling": every scope at once.
            Self::Denied(denied @ Denied::Scopes { needed }) => Refusal {
                status: StatusCode::FORBIDDEN,
                challenge: ChallengeError::Code("insufficient_scope"),
                error: "insufficient_scope",
                description: denied.to_string(),
                scopes: Some(needed.clone()),
                ..Refusal::NONE
            },
            // RFC 9110 §15.5.4. No challenge: another token of the same user has the same role and permissions.
            Self::Denied(denied @ (Denied::Role { .. } | Denied::Permission { .. })) => Refusal {
                status: StatusCode::FORBIDDEN,
                error: "forbidden",
                description: denied.to_string(),
                ..Refusal::NONE
            },
            // No challenge: no token of the client's would help.
            Self::Misconfigured(_) => Refusal {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                error: "server_error",
                description: "Authentication service misconfigured".to_owned(),
                ..Refusal::NONE
            },
            // RFC 9110 §15.6.4. No challenge: signing in again would not help.
            Self::Unavailable(outage) => Refusal {
                status: StatusCode::SERVICE_UNAVAILABLE,
                error: "temporarily_unavailable",
                description: "Authentication service unavailable".to_owned(),
                retry_after: Some(outage.retry_after()),
                ..Refusal::NONE
            },
            Self::Internal => Refusal {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                error: "server_error",
                description: "Authentication processing failed".to_owned(),
                ..Refusal::NONE
            },
        }
    }
}

impl Outage {
    /// When to come again: as Clerk says, within reason.
    fn retry_after(&self) -> Duration {
        match self {
            Self::Clerk(ClerkError::RateLimited {
                retry_after: Some(wait),
            }) => (*wait).clamp(RETRY_AFTER, MAX_RETRY_AFTER),
            Self::Keys(_) | Self::Clerk(_) => RETRY_AFTER,
        }
    }
}

/// One row of the table: what the client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// What the challenge says, if there is one.
    pub challenge: ChallengeError,
    /// `error` of the body.
    pub error: &'static str,
    /// `error_description` of the body, and of the challenge when that has an `error`.
    pub description: String,
    /// The scopes that the operation needs; otherwise the challenge names those to sign in with.
    pub scopes: Option<Vec<String>>,
    /// When to come again.
    pub retry_after: Option<Duration>,
}

/// The `error` parameter of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeError {
    /// No `WWW-Authenticate` at all.
    NoChallenge,
    /// A challenge without `error`.
    Bare,
    /// A challenge with this code (RFC 6750 §3.1).
    Code(&'static str),
}

impl Refusal {
    /// What rows have in common unless they say otherwise.
    const NONE: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        challenge: ChallengeError::NoChallenge,
        error: "",
        description: String::new(),
        scopes: None,
        retry_after: None,
    };

    /// The whole response.
    pub fn into_response(self, context: &ChallengeContext) -> Response {
        let challenge = match self.challenge {
            ChallengeError::NoChallenge => None,
            ChallengeError::Bare => Some(Challenge {
                error: None,
                scopes: None,
            }),
            ChallengeError::Code(code) => Some(Challenge {
                error: Some((code, &self.description)),
                scopes: self.scopes.as_deref(),
            }),
        };
        let challenge = challenge.map(|challenge| challenge.header(context));
        let body = ErrorBody {
            error: self.error,
            error_description: &self.description,
        };
        let mut response = poem::web::Json(body).with_status(self.status).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CACHE_CONTROL,
            header::HeaderValue::from_static("no-store"),
        );
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(retry_after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, retry_after.as_secs().into());
        }
        response
    }
}

/// The body of a refusal: the two members of RFC 6749 §5.2.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody<'a> {
    pub(crate) error: &'a str,
    pub(crate) error_description: &'a str,
}

/// How long a client is asked to wait while Clerk is away: one cool-down of the key cache, rounded up.
const RETRY_AFTER: Duration = Duration::from_secs(5);
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);
