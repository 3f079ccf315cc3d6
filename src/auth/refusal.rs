//! The one table of refusals, [`AuthError::refusal`]: the response to each request that fails authentication or
//! the policy.

use std::time::Duration;

use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};
use serde::Serialize;

use super::{
    challenge::ChallengeContext,
    error::{AuthError, Outage},
};
use crate::{
    clerk::ClerkError,
    log_limit::log_limited,
    session::{Denied, add_missing},
    token::{BearerError, TokenError},
};

impl AuthError {
    /// Returns the response: the one table of refusals. **It has no wildcard arm**, so that the author of a
    /// new variant must choose its row. A 401 makes the client sign in, so it is used only if a new token can
    /// help.
    pub fn refusal(&self) -> Refusal {
        match self {
            // RFC 6750 §3.1: without credentials, no error code.
            Self::Bearer(BearerError::Missing | BearerError::OtherScheme | BearerError::Malformed) => {
                Refusal {
                    status: StatusCode::UNAUTHORIZED,
                    challenge: ChallengeError::Bare,
                    error: "unauthorized",
                    description: "Missing or invalid bearer token".to_owned(),
                    ..Refusal::DEFAULTS
                }
            }
            // RFC 6750 §3.1: invalid_request, "uses more than one method", 400.
            Self::Bearer(BearerError::MoreThanOne) => Refusal {
                status: StatusCode::BAD_REQUEST,
                challenge: ChallengeError::Code("invalid_request"),
                error: "invalid_request",
                description: "Exactly one bearer token is expected".to_owned(),
                ..Refusal::DEFAULTS
            },
            // RFC 6750 §3.1: invalid_token covers expiry. The body distinguishes it for clients that refresh
            // tokens.
            Self::Token(TokenError::Expired { .. }) => Refusal {
                status: StatusCode::UNAUTHORIZED,
                challenge: ChallengeError::Code("invalid_token"),
                error: "token_expired",
                description: "Token has expired".to_owned(),
                ..Refusal::DEFAULTS
            },
            // RFC 6750 §3.1: invalid_token. One text for all, because the reason would help an attacker to
            // forge tokens.
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
                | TokenError::AuthorizedParty { .. }
                | TokenError::AudienceMissing
                | TokenError::Audience { .. }
                | TokenError::AudienceQuery { .. }
                | TokenError::SessionAudience
                | TokenError::SessionPending,
            ) => Refusal {
                status: StatusCode::UNAUTHORIZED,
                challenge: ChallengeError::Code("invalid_token"),
                error: "invalid_token",
                description: "Token verification failed".to_owned(),
                ..Refusal::DEFAULTS
            },
            // RFC 6750 §3.1, MCP "Scope Challenge Handling": one challenge names every scope.
            Self::Denied(denied @ Denied::Scopes { needed, granted }) => Refusal {
                status: StatusCode::FORBIDDEN,
                challenge: ChallengeError::Code("insufficient_scope"),
                error: "insufficient_scope",
                description: denied.to_string(),
                scopes: Some(scopes_to_request(needed, granted)),
                ..Refusal::DEFAULTS
            },
            // RFC 9110 §15.5.4. No challenge: another token of the same user has the same role and
            // permissions.
            Self::Denied(denied @ (Denied::Role { .. } | Denied::Permission { .. })) => Refusal {
                status: StatusCode::FORBIDDEN,
                error: "forbidden",
                description: denied.to_string(),
                ..Refusal::DEFAULTS
            },
            // No challenge: no token would help.
            Self::Misconfigured(_) => Refusal {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                error: "server_error",
                description: "Authentication service misconfigured".to_owned(),
                ..Refusal::DEFAULTS
            },
            // RFC 9110 §15.6.4. No challenge: signing in again would not help.
            Self::Unavailable(outage) => Refusal {
                status: StatusCode::SERVICE_UNAVAILABLE,
                error: "temporarily_unavailable",
                description: "Authentication service unavailable".to_owned(),
                retry_after: Some(outage.retry_after()),
                ..Refusal::DEFAULTS
            },
            Self::Internal => Refusal {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                error: "server_error",
                description: "Authentication processing failed".to_owned(),
                ..Refusal::DEFAULTS
            },
        }
    }
}

/// Returns the scopes that a 403 names: the scopes of the token, followed by the missing ones. A challenge
/// must contain both, because clients replace the scopes of the token by the scopes of the challenge.
fn scopes_to_request(needed: &[String], granted: &[String]) -> Vec<String> {
    // Whether a client wants refresh tokens is not the resource server's concern (MCP, "Refresh Tokens").
    let kept = granted.iter().filter(|scope| *scope != "offline_access");
    let mut scopes = kept.cloned().collect();
    add_missing(&mut scopes, needed);
    scopes
}

impl Outage {
    /// Returns the value of `Retry-After`: the time that Clerk sent, or the time until lookups resume, but at
    /// least 5 s and at most a minute; 5 s for any other outage.
    fn retry_after(&self) -> Duration {
        match self {
            Self::Clerk(ClerkError::RateLimited {
                retry_after: Some(wait),
            })
            | Self::LookupLimit { retry_after: wait } => (*wait).clamp(RETRY_AFTER, MAX_RETRY_AFTER),
            Self::Keys(_) | Self::Clerk(_) => RETRY_AFTER,
        }
    }
}

/// Rejects a request: counts and logs the reason once, and returns the response. The log line contains no
/// part of the token.
pub(crate) fn refuse(error: &AuthError, challenge: &ChallengeContext) -> Response {
    let reason = error.reason();
    reason.count();
    match error {
        // Every sign-in begins with a request without a token, so this is not worth an INFO line.
        AuthError::Bearer(BearerError::Missing) => tracing::debug!(%reason, "request rejected"),
        // The client caused these. The lookup limit is one of them: made-up tokens exhaust it.
        AuthError::Bearer(_)
        | AuthError::Token(_)
        | AuthError::Denied(_)
        | AuthError::Unavailable(Outage::LookupLimit { .. }) => {
            tracing::info!(%reason, detail = %error, "request rejected");
        }
        AuthError::Misconfigured(_) | AuthError::Unavailable(_) | AuthError::Internal => {
            log_limited!(error, reason.as_str(), %reason, detail = %error, "request cannot be authenticated");
        }
    }
    error.refusal().into_response(challenge)
}

/// One row of the table of refusals: the response to a rejected request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The challenge, if the response has one.
    pub challenge: ChallengeError,
    /// `error` in the body.
    pub error: &'static str,
    /// `error_description` in the body, and in the challenge if that has an `error`.
    pub description: String,
    /// The scopes that the client should request. If `None`, the challenge names the scopes for sign-in.
    pub scopes: Option<Vec<String>>,
    /// The value of `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// The `error` parameter of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeError {
    /// No `WWW-Authenticate` header.
    NoChallenge,
    /// A challenge without `error`.
    Bare,
    /// A challenge with this `error` (RFC 6750 §3.1).
    Code(&'static str),
}

impl Refusal {
    /// The values of the fields that a row of the table does not set.
    const DEFAULTS: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        challenge: ChallengeError::NoChallenge,
        error: "",
        description: String::new(),
        scopes: None,
        retry_after: None,
    };

    /// Builds the response.
    pub fn into_response(self, context: &ChallengeContext) -> Response {
        let challenge = match self.challenge {
            ChallengeError::NoChallenge => None,
            ChallengeError::Bare => Some(context.header(None, None)),
            ChallengeError::Code(code) => {
                Some(context.header(Some((code, &self.description)), self.scopes.as_deref()))
            }
        };
        let mut response = ErrorBody {
            error: self.error,
            error_description: &self.description,
        }
        .into_response(self.status);
        let headers = response.headers_mut();
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(retry_after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, retry_after.as_secs().into());
        }
        response
    }
}

/// The JSON body of a refusal (RFC 6749 §5.2).
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody<'a> {
    pub(crate) error: &'a str,
    pub(crate) error_description: &'a str,
}

impl ErrorBody<'_> {
    /// Returns a response with this body, which must not be stored.
    pub(crate) fn into_response(self, status: StatusCode) -> Response {
        // A struct of two strings cannot fail to serialize.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::builder().status(status).body(body);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The default `Retry-After` while Clerk is unavailable. Longer than the second that the key cache waits between
/// fetches while it has no keys.
const RETRY_AFTER: Duration = Duration::from_secs(5);
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);
