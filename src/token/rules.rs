//! The rules of the claims, in the contract's order. They are looked at after the signature.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{
    check::{Check, Pass, Recorder},
    error::{TokenError, VerifyError},
    kind::TokenKind,
    policy::{AudiencePolicy, TokenPolicy},
};

/// The claims of a token, and the policy and time that they are checked against.
pub(super) struct ClaimRules<'a> {
    pub(super) kind: TokenKind,
    pub(super) claims: &'a Map<String, Value>,
    pub(super) policy: &'a TokenPolicy,
    pub(super) now: Timestamp,
}

impl ClaimRules<'_> {
    /// Checks every claim, in the order of the contract.
    pub(super) fn check(&self, recorder: &mut Recorder<VerifyError>) -> Result<(), VerifyError> {
        recorder.record(Check::Issuer, self.issuer())?;
        recorder.record(Check::Subject, self.subject())?;
        recorder.record(Check::SessionId, self.session_id())?;
        recorder.record(Check::Expiry, self.expiry())?;
        recorder.record(Check::NotBefore, self.not_before())?;
        recorder.record(Check::IssuedAt, self.issued_at())?;
        recorder.record(Check::AuthorizedParty, self.authorized_party())?;
        recorder.record(Check::Audience, self.audience())?;
        recorder.record(Check::Status, self.status())
    }

    /// RFC 7519 §4.1.1, and RFC 9068 §4: compared to the letter. One key may serve many issuers' tests, and Clerk's SDK does
    /// not look at it at all.
    fn issuer(&self) -> Result<Pass, TokenError> {
        if text(self.claims, "iss")? == self.policy.issuer {
            return Ok(Pass::Held);
        }
        Err(TokenError::Issuer {
            expected: self.policy.issuer.clone(),
        })
    }

    fn subject(&self) -> Result<Pass, TokenError> {
        let prefix = match self.kind {
            TokenKind::SessionToken | TokenKind::OAuthToken => "user_",
            TokenKind::M2mToken => "mch_",
            // An API key is never a JWT; one that claims to be has no subject that fits.
            TokenKind::ApiKey => "ak_",
        };
        has_prefix(self.claims, "sub", prefix)
    }

    /// A JWT template may bring a `sid` of its own; a session's has Clerk's prefix.
    fn session_id(&self) -> Result<Pass, TokenError> {
        if self.kind != TokenKind::SessionToken {
            return Ok(Pass::NotAsked("only session tokens have one"));
        }
        has_prefix(self.claims, "sid", "sess_")
    }

    /// The bounds are Clerk's: valid while `now < exp + leeway`, and from `now = nbf - leeway` on.
    fn expiry(&self) -> Result<Pass, TokenError> {
        let expires_at = time(self.claims, "exp")?.ok_or(TokenError::ClaimMissing("exp"))?;
        let since = self.now.duration_since(expires_at);
        if since < self.leeway() {
            return Ok(Pass::Held);
        }
        Err(TokenError::Expired {
            since: since.unsigned_abs(),
        })
    }

    fn not_before(&self) -> Result<Pass, TokenError> {
        match time(self.claims, "nbf")? {
            None => Ok(Pass::NotAsked("it's absent")),
            Some(not_before) if not_before.duration_since(self.now) > self.leeway() => {
                Err(TokenError::NotYetValid)
            }
            Some(_) => Ok(Pass::Held),
        }
    }

    fn issued_at(&self) -> Result<Pass, TokenError> {
        match time(self.claims, "iat")? {
            None => Ok(Pass::NotAsked("it's absent")),
            Some(issued_at) if issued_at.duration_since(self.now) > self.leeway() => {
                Err(TokenError::IssuedInTheFuture)
            }
            Some(_) => Ok(Pass::Held),
        }
    }

    /// With parties configured, `azp` must be there and be one of them, as in Clerk's SDK (its documentation still says that
    /// a missing one is skipped).
    fn authorized_party(&self) -> Result<Pass, TokenError> {
        if self.kind != TokenKind::SessionToken {
            return Ok(Pass::NotAsked("only session tokens have one"));
        }
        let parties = &self.policy.authorized_parties;
        if parties.is_empty() {
            return Ok(Pass::NotAsked("CLERK_AUTHORIZED_PARTIES is not set"));
        }
        match self.claims.get("azp").and_then(Value::as_str) {
            Some(party) if parties.iter().any(|allowed| allowed == party) => Ok(Pass::Held),
            _ => Err(TokenError::AuthorizedParty),
        }
    }

    fn audience(&self) -> Result<Pass, TokenError> {
        check_audience(self.kind, self.claims.get("aud"), self.policy)
    }

    fn status(&self) -> Result<Pass, TokenError> {
        match self.claims.get("sts") {
            None => Ok(Pass::NotAsked("it's absent")),
            Some(Value::String(status)) if status == "active" => Ok(Pass::Held),
            Some(Value::String(status)) if status == "pending" => Err(TokenError::SessionPending),
            Some(_) => Err(TokenError::ClaimMalformed("sts")),
        }
    }

    fn leeway(&self) -> SignedDuration {
        SignedDuration::try_from(self.policy.leeway).unwrap_or(SignedDuration::MAX)
    }
}

/// RFC 7519 §4.1.3, RFC 8707 §2, and MCP's rule that a token must be issued for this server. Session tokens have
/// no audience unless the application's owner put one in; then it must name us. A machine token's `aud` names machines,
/// and an API key has none: whoever accepts those kinds accepts all of the application's.
pub(super) fn check_audience(
    kind: TokenKind,
    audience: Option<&Value>,
    policy: &TokenPolicy,
) -> Result<Pass, TokenError> {
    let required = match (kind, policy.audience) {
        (TokenKind::M2mToken | TokenKind::ApiKey, _) => {
            return Ok(Pass::NotAsked("tokens of this kind name no server"));
        }
        (TokenKind::OAuthToken, AudiencePolicy::Off) => {
            return Ok(Pass::NotAsked("CLERK_AUDIENCE is off"));
        }
        (TokenKind::OAuthToken, AudiencePolicy::Required) => true,
        (TokenKind::OAuthToken, AudiencePolicy::IfPresent) | (TokenKind::SessionToken, _) => false,
    };
    let audience = match audience {
        None if required => return Err(TokenError::AudienceMissing),
        None => return Ok(Pass::NotAsked("it's absent, and not required")),
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(list)) => list
            .iter()
            .map(Value::as_str)
            .collect::<Option<Vec<_>>>()
            .ok_or(TokenError::ClaimMalformed("aud"))?,
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            return Err(TokenError::ClaimMalformed("aud"));
        }
    };
    if audience.iter().any(|name| policy.resources.contains(name)) {
        return Ok(Pass::Held);
    }
    if audience.is_empty() && required {
        return Err(TokenError::AudienceMissing);
    }
    Err(TokenError::Audience {
        expected: policy.resources.mcp().to_owned(),
    })
}

/// A claim that is `prefix` and something after it.
fn has_prefix(claims: &Map<String, Value>, name: &'static str, prefix: &str) -> Result<Pass, TokenError> {
    match text(claims, name)?.strip_prefix(prefix) {
        None | Some("") => Err(TokenError::ClaimMalformed(name)),
        Some(_) => Ok(Pass::Held),
    }
}

pub(super) fn text<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, TokenError> {
    match claims.get(name) {
        None => Err(TokenError::ClaimMissing(name)),
        Some(value) => value.as_str().ok_or(TokenError::ClaimMalformed(name)),
    }
}

/// RFC 7519 §2, "`NumericDate`": seconds. Clerk writes whole ones; a fraction or a string is not Clerk's.
pub(super) fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
    claims
        .get(name)
        .map(|value| {
            value
                .as_i64()
                .and_then(|seconds| Timestamp::from_second(seconds).ok())
                .ok_or(TokenError::ClaimMalformed(name))
        })
        .transpose()
}

pub(super) fn non_empty(value: Option<&Value>) -> Option<&str> {
    value?.as_str().filter(|text| !text.is_empty())
}
