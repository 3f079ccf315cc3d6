//! Why a token is not accepted. The public answer is coarse (`auth::AuthError`); these reasons are for the log.

use std::time::Duration;

use thiserror::Error;

use super::{keys::KeyLookupError, kind::TokenKind};
use crate::reason::Reason;

/// A fault of the presented token. Its `Display` never holds a part of the token beyond names, numbers and
/// identifiers that a reader of the log needs; it is **not** for the wire.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not three strict base64url parts (RFC 7515 §7.1).
    #[error("the token is not a compact JWS: {0}")]
    NotCompactJws(&'static str),
    /// Header or payload is not one JSON object, or has a member twice (RFC 7515 §4, RFC 7519 §4).
    #[error("the {part} is not a JSON object with unique members")]
    NotJsonObject {
        /// `header` or `payload`.
        part: &'static str,
    },
    /// `alg` is not exactly `RS256` (RFC 8725 §3.1).
    #[error("the algorithm is not RS256")]
    Algorithm,
    /// `crit` names extensions, and none are understood here (RFC 7515 §4.1.11).
    #[error("the header has a crit member")]
    CriticalHeader,
    /// `typ` or `cat` does not belong to the kind (RFC 8725 §3.11).
    #[error("the header says another kind of token: {0}")]
    HeaderType(&'static str),
    /// The kind is not in `CLERK_ACCEPTED_TOKENS`, or is never a credential.
    #[error("tokens of kind {0} are not accepted here")]
    KindNotAccepted(TokenKind),
    /// Clerk, asked about the token, doesn't know it.
    #[error("Clerk knows no such token")]
    Unknown,
    /// Clerk says that the token is not active, and no more.
    #[error("Clerk says that the token is not active")]
    NotActive,
    /// Revoked at Clerk.
    #[error("the token was revoked")]
    Revoked,
    /// `kid` is absent or not a string.
    #[error("the header names no key")]
    KeyIdMissing,
    /// No key of the application has this `kid`, also after a fresh look.
    #[error("no key of this Clerk application has the token's kid; it was signed for another application")]
    KeyIdUnknown,
    /// The signature does not match (RFC 7515 §5.2).
    #[error("the signature does not match")]
    Signature,
    /// A claim is absent.
    #[error("the claim {0} is missing")]
    ClaimMissing(&'static str),
    /// A claim has another type or form than Clerk gives it.
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
        /// How long ago, leeway included.
        since: Duration,
    },
    /// `nbf` is to come (RFC 7519 §4.1.5).
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` lies in the future (RFC 7519 §4.1.6).
    #[error("the token was issued in the future; compare the clocks")]
    IssuedInTheFuture,
    /// `azp` is absent or not one of the authorized parties.
    #[error("the authorized party (azp) is not in CLERK_AUTHORIZED_PARTIES")]
    AuthorizedParty,
    /// `aud` is absent (RFC 8707 §2).
    #[error(
        "the token has no audience (aud). Clerk sets it only when the client asks with `resource`: let the client \
         send it, or set CLERK_AUDIENCE=if-present to accept tokens that any client of the application got"
    )]
    AudienceMissing,
    /// `aud` names somebody else (RFC 7519 §4.1.3).
    #[error("the audience (aud) does not name this server; it must be {expected}")]
    Audience {
        /// The resource this server publishes.
        expected: String,
    },
    /// `sts` is `pending`: sign-in isn't complete (Clerk, session tasks).
    #[error("the session is pending: its user has sign-in tasks to finish")]
    SessionPending,
}

impl TokenError {
    /// The reason, for logs and metrics.
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
            Self::AuthorizedParty => Reason::TokenInvalidAuthorizedParties,
            Self::AudienceMissing => Reason::AudienceMissing,
            Self::Audience { .. } => Reason::AudienceMismatch,
            Self::SessionPending => Reason::SessionPending,
        }
    }
}

/// Why a token was not verified: whether to ask for another one, to ask Clerk, or to come again.
///
/// ```
/// # use clerk_mcp::token::{BearerToken, StaticKey, TokenError, TokenVerifier, VerifiedClaims, VerifyError};
/// async fn user(verifier: &TokenVerifier<StaticKey>, token: &BearerToken) -> Result<String, &'static str> {
///     match verifier.verify(token).await {
///         Ok(claims) => Ok(VerifiedClaims::subject(&claims).to_owned()),
///         Err(VerifyError::Token(TokenError::Expired { .. })) => Err("refresh it"),
///         Err(VerifyError::Token(_)) => Err("sign in again"),
///         Err(VerifyError::Opaque(_)) => Err("only Clerk knows"),
///         Err(VerifyError::Keys(_)) => Err("not your fault; come again in a moment"),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The token is at fault.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Only Clerk can say what this token is.
    #[error("an opaque token ({0})")]
    Opaque(TokenKind),
    /// The keys can't be had, so nothing can be said of the token.
    #[error(transparent)]
    Keys(#[from] KeyLookupError),
}
