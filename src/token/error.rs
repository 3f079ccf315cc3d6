//! [`TokenError`]: why a token is rejected. It is for the log; the response is coarser (`auth::AuthError`).

use std::time::Duration;

use thiserror::Error;

use super::{fetch::FetchError, kind::TokenKind};
use crate::reason::Reason;

/// A defect of the presented token. Its `Display` is for the log and **must not be sent to the client**. It
/// contains no part of the token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not three strict base64url parts (RFC 7515 §7.1).
    #[error("the token is not a compact JWS: {0}")]
    NotCompactJws(&'static str),
    /// Header or payload is not one JSON object with unique members (RFC 7515 §4, RFC 7519 §4).
    #[error("the {part} is not a JSON object with unique members")]
    NotJsonObject {
        /// `header` or `payload`.
        part: &'static str,
    },
    /// `alg` is not exactly `RS256` (RFC 8725 §3.1).
    #[error("the algorithm is not RS256")]
    Algorithm,
    /// `crit` is present, but no extension is supported (RFC 7515 §4.1.11).
    #[error("the header has a crit member")]
    CriticalHeader,
    /// `typ` or `cat` does not match the kind (RFC 8725 §3.11).
    #[error("the header belongs to another kind of token: {0}")]
    HeaderType(&'static str),
    /// The kind is not in `CLERK_ACCEPTED_TOKENS`, or only Clerk can verify it and no Backend API client is
    /// configured.
    #[error("tokens of kind {0} are not accepted by this server (CLERK_ACCEPTED_TOKENS)")]
    KindNotAccepted(TokenKind),
    /// Clerk does not know the opaque token.
    #[error("Clerk does not know this token")]
    Unknown,
    /// Clerk reports that the token is not active, without a reason.
    #[error("Clerk reports that the token is not active")]
    NotActive,
    /// The token was revoked at Clerk.
    #[error("the token was revoked")]
    Revoked,
    /// `kid` is absent, empty or not a string.
    #[error("the header has no kid")]
    KeyIdMissing,
    /// No key of the application has this `kid`. The key set is refetched first, or was fetched recently.
    #[error(
        "no key of this Clerk application has the kid of the token; it is from another application, or its key was withdrawn"
    )]
    KeyIdUnknown,
    /// The signature does not match (RFC 7515 §5.2).
    #[error("the signature does not match")]
    Signature,
    /// A claim is absent.
    #[error("the claim {0} is missing")]
    ClaimMissing(&'static str),
    /// A claim does not have the type or form that Clerk gives it.
    #[error("the claim {0} is malformed")]
    ClaimMalformed(&'static str),
    /// `iss` is not the Frontend API URL (RFC 7519 §4.1.1).
    #[error("the issuer is not {expected}")]
    Issuer {
        /// The configured Frontend API URL.
        expected: String,
    },
    /// `exp` has passed (RFC 7519 §4.1.4).
    #[error("the token expired {} s ago", .since.as_secs())]
    Expired {
        /// How long ago. The leeway is not subtracted.
        since: Duration,
    },
    /// `nbf` is in the future (RFC 7519 §4.1.5).
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` is in the future (RFC 7519 §4.1.6).
    #[error("the token was issued in the future; check the clocks of this machine and of Clerk")]
    IssuedInTheFuture,
    /// `azp` is absent or not an authorized party.
    #[error("the authorized party (azp) is not in CLERK_AUTHORIZED_PARTIES; expected {}", .expected.join(" or "))]
    AuthorizedParty {
        /// The configured parties.
        expected: Vec<String>,
    },
    /// `aud` is absent (RFC 8707 §2).
    #[error(
        "the token has no audience (aud). Clerk sets it only for a registered resource that the client sends as `resource`. \
         Register the URL of the MCP endpoint in Clerk Dashboard > Agents > MCP servers and make the client send it, or set \
         CLERK_AUDIENCE=if-present to accept tokens issued to any client of the application"
    )]
    AudienceMissing,
    /// `aud` names another server (RFC 7519 §4.1.3).
    #[error(
        "the audience (aud) does not name this server; expected {expected}. Register that URL in Clerk Dashboard > \
         Agents > MCP servers, or add the token's value to CLERK_ACCEPTED_AUDIENCES"
    )]
    Audience {
        /// The resource identifier that this server publishes.
        expected: String,
    },
    /// `aud` names this server, but with a query (RFC 8707 §2). Clients send the URL that they were given.
    #[error(
        "the audience (aud) names this server with a query: the client was configured with a URL that has a query. Configure \
         it with exactly {expected}"
    )]
    AudienceQuery {
        /// The resource identifier that this server publishes.
        expected: String,
    },
    /// `aud` of a session token names another server, for example an integration.
    #[error(
        "the audience (aud) of the session token does not name this server. Clerk Dashboard > Sessions > Customize \
         session token adds it, for example for Convex. Add its value to CLERK_ACCEPTED_AUDIENCES, or set \
         CLERK_SESSION_AUDIENCE=off"
    )]
    SessionAudience,
    /// `sts` is `pending`: the sign-in is not complete (Clerk, "Session tasks").
    #[error("the session is pending: the user has not finished the sign-in tasks")]
    SessionPending,
}

impl TokenError {
    /// Returns the reason, for logs and metrics.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotCompactJws(_)
            | Self::NotJsonObject { .. }
            | Self::CriticalHeader
            | Self::HeaderType(_)
            | Self::Unknown
            | Self::NotActive => Reason::TokenInvalid,
            Self::Algorithm => Reason::TokenInvalidAlgorithm,
            Self::KindNotAccepted(_) => Reason::TokenTypeMismatch,
            Self::Revoked => Reason::TokenRevoked,
            Self::KeyIdMissing | Self::KeyIdUnknown => Reason::JwkKidMismatch,
            Self::Signature => Reason::TokenInvalidSignature,
            Self::ClaimMissing(_) | Self::ClaimMalformed(_) => Reason::TokenVerificationFailed,
            Self::Issuer { .. } => Reason::TokenInvalidIssuer,
            Self::Expired { .. } => Reason::TokenExpired,
            Self::NotYetValid => Reason::TokenNotActiveYet,
            Self::IssuedInTheFuture => Reason::TokenIatInTheFuture,
            Self::AuthorizedParty { .. } => Reason::TokenInvalidAuthorizedParties,
            Self::AudienceMissing => Reason::AudienceMissing,
            Self::Audience { .. } | Self::AudienceQuery { .. } | Self::SessionAudience => {
                Reason::AudienceMismatch
            }
            Self::SessionPending => Reason::SessionPending,
        }
    }
}

/// Why a token could not be verified: the token is invalid, only Clerk can verify it, or the keys are
/// unavailable.
///
/// ```
/// # use clerk_mcp::{session::Session, token::{BearerToken, TokenError, TokenVerifier, VerifiedClaims, VerifyError}};
/// async fn session(verifier: &TokenVerifier, token: &BearerToken) -> Result<Session, &'static str> {
///     match verifier.verify(token).await {
///         Ok(verified @ VerifiedClaims { .. }) => Ok(verified.into()),
///         Err(VerifyError::Token(TokenError::Expired { .. })) => Err("refresh the token"),
///         Err(VerifyError::Token(_)) => Err("sign in again"),
///         Err(VerifyError::Opaque(_)) => Err("verify the token with Clerk"),
///         Err(VerifyError::Keys(_)) => Err("Clerk is unavailable; retry later"),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The token is invalid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is opaque: only Clerk can verify it.
    #[error("an opaque token ({0}) can only be verified by Clerk")]
    Opaque(TokenKind),
    /// The keys are unavailable, so the token was not verified.
    #[error("no signing keys: {0}")]
    Keys(#[from] FetchError),
}
