//! [`AuthError`]: why authentication or a policy rejects a request.

use std::time::Duration;

use thiserror::Error;

use crate::{
    clerk::{ClerkError, Misconfiguration},
    reason::Reason,
    session::Denied,
    token::{BearerError, FetchError, TokenError, VerifyError},
};

/// Why a request is rejected. Its `Display` is for the log. The client receives [`refusal`](Self::refusal),
/// whose text says less, except if a scope, role or permission is missing.
/// ```
/// use clerk_mcp::{auth::{AuthError, ChallengeError}, session::Denied};
///
/// let (needed, granted) = (vec!["a".into(), "b".into()], vec!["profile".into(), "a".into()]);
/// let refusal = AuthError::from(Denied::Scopes { needed, granted }).refusal();
/// assert_eq!(refusal.status, 403);
/// assert_eq!(refusal.challenge, ChallengeError::Code("insufficient_scope"));
/// assert_eq!(refusal.description, "Required scopes: a b");
/// assert_eq!(refusal.scopes.unwrap(), ["profile", "a", "b"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    /// The request has no bearer token, or more than one credential.
    #[error("{0}")]
    Bearer(#[from] BearerError),
    /// The token is invalid.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The token is valid, but lacks a scope, role or permission.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// The server's secret key is wrong or belongs to another application.
    #[error("{0}")]
    Misconfigured(#[from] Misconfiguration),
    /// Clerk is unavailable and no cached result applies.
    #[error("{0}")]
    Unavailable(#[from] Outage),
    /// An internal error of the server.
    #[error("internal error during authentication")]
    Internal,
}

/// Why the server cannot decide about a request at the moment.
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
    /// The key set of the Frontend API is unavailable.
    #[error("no signing keys: {0}")]
    Keys(#[from] FetchError),
    /// A call of the Backend API failed. That API verifies opaque tokens, and returns roles and permissions.
    #[error("the Backend API call failed ({})", .0.slug())]
    Clerk(ClerkError),
    /// This server's own limit for lookups of unknown opaque tokens is reached. Clerk may be available.
    #[error("the token was not looked up: the limit for lookups of unknown opaque tokens is reached")]
    LookupLimit {
        /// When lookups resume.
        retry_after: Duration,
    },
}

impl From<VerifyError> for AuthError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Token(error) => error.into(),
            // Without a Backend API client, opaque tokens cannot be verified.
            VerifyError::Opaque(kind) => TokenError::KindNotAccepted(kind).into(),
            VerifyError::Keys(error) => Self::Unavailable(Outage::Keys(error)),
        }
    }
}

/// Classifies the failure of a call that authentication or a policy needs. An unknown opaque token never gets
/// here, because `opaque_tokens` handles it. So a failure says nothing about the caller, and is never a 401.
impl From<ClerkError> for AuthError {
    fn from(error: ClerkError) -> Self {
        match error {
            ClerkError::KeyRejected { .. } | ClerkError::Forbidden { .. } => {
                Misconfiguration::KeyRejected.into()
            }
            ClerkError::NotFound
            | ClerkError::RateLimited { .. }
            | ClerkError::Unavailable { .. }
            | ClerkError::UnexpectedBody
            | ClerkError::Rejected { .. } => Self::Unavailable(Outage::Clerk(error)),
        }
    }
}

impl AuthError {
    /// The error of a request that needs a token and has none.
    pub(crate) const NO_TOKEN: Self = Self::Bearer(BearerError::Missing);

    /// Returns the reason, for logs and metrics.
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
            Self::Unavailable(Outage::LookupLimit { .. }) => Reason::TokenLookupLimit,
            Self::Internal => Reason::Internal,
        }
    }
}
