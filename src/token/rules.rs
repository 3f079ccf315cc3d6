//! Checks the claims of a JWT, in order.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{
    check::Check,
    error::{TokenError, VerifyError},
    kind::TokenKind,
    policy::{AudiencePolicy, TokenPolicy},
    recorder::{CheckPass, Recorder},
};

/// The claims of a token, and the policy and time that they are checked against.
pub(super) struct ClaimRules<'a> {
    pub(super) kind: TokenKind,
    pub(super) claims: &'a Map<String, Value>,
    pub(super) policy: &'a TokenPolicy,
    pub(super) now: Timestamp,
}

impl ClaimRules<'_> {
    /// Checks every claim, in the order of [`Check`].
    pub(super) fn check(&self, recorder: &mut Recorder) -> Result<(), VerifyError> {
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

    /// Compares `iss` exactly (RFC 7519 §4.1.1, RFC 9068 §4). Clerk's SDK does not check the issuer.
    fn issuer(&self) -> Result<CheckPass, TokenError> {
        if required_text(self.claims, "iss")? == self.policy.issuer {
            return Ok(CheckPass::Passed);
        }
        Err(TokenError::Issuer {
            expected: self.policy.issuer.clone(),
        })
    }

    fn subject(&self) -> Result<CheckPass, TokenError> {
        let prefix = match self.kind {
            TokenKind::SessionToken | TokenKind::OAuthToken => "user_",
            TokenKind::M2mToken => "mch_",
            // Unreachable, because an API key is never a JWT. No subject has this prefix, so the check would
            // fail.
            TokenKind::ApiKey => "ak_",
        };
        has_id(self.claims, "sub", prefix)
    }

    /// Checks `sid` and its prefix, because a JWT template may define a `sid` of its own.
    fn session_id(&self) -> Result<CheckPass, TokenError> {
        if self.kind != TokenKind::SessionToken {
            return Ok(CheckPass::NotApplicable("only session tokens have a sid"));
        }
        has_id(self.claims, "sid", "sess_")
    }

    /// Checks `exp`: a token is valid while `now < exp + leeway`, as in Clerk's SDK.
    fn expiry(&self) -> Result<CheckPass, TokenError> {
        let expires_at = time(self.claims, "exp")?.ok_or(TokenError::ClaimMissing("exp"))?;
        let since = self.now.duration_since(expires_at);
        if since < self.leeway() {
            return Ok(CheckPass::Passed);
        }
        Err(TokenError::Expired {
            since: since.unsigned_abs(),
        })
    }

    /// Checks `nbf`: a token is valid from `now = nbf - leeway` on, as in Clerk's SDK.
    fn not_before(&self) -> Result<CheckPass, TokenError> {
        match time(self.claims, "nbf")? {
            None => Ok(CheckPass::NotApplicable("nbf is absent")),
            Some(not_before) if not_before.duration_since(self.now) > self.leeway() => {
                Err(TokenError::NotYetValid)
            }
            Some(_) => Ok(CheckPass::Passed),
        }
    }

    fn issued_at(&self) -> Result<CheckPass, TokenError> {
        match time(self.claims, "iat")? {
            None => Ok(CheckPass::NotApplicable("iat is absent")),
            Some(issued_at) if issued_at.duration_since(self.now) > self.leeway() => {
                Err(TokenError::IssuedInTheFuture)
            }
            Some(_) => Ok(CheckPass::Passed),
        }
    }

    /// Checks that `azp` is one of the configured parties, if there are any. A missing `azp` is rejected, as
    /// in Clerk's SDK; Clerk's documentation says that it is accepted.
    fn authorized_party(&self) -> Result<CheckPass, TokenError> {
        if self.kind != TokenKind::SessionToken {
            return Ok(CheckPass::NotApplicable("only session tokens have an azp"));
        }
        let parties = &self.policy.authorized_parties;
        if parties.is_empty() {
            return Ok(CheckPass::NotApplicable("CLERK_AUTHORIZED_PARTIES is not set"));
        }
        match self.claims.get("azp").and_then(Value::as_str) {
            Some(party) if parties.iter().any(|allowed| allowed == party) => Ok(CheckPass::Passed),
            _ => Err(TokenError::AuthorizedParty {
                expected: parties.clone(),
            }),
        }
    }

    fn audience(&self) -> Result<CheckPass, TokenError> {
        check_audience(self.kind, self.claims.get("aud"), self.policy)
    }

    fn status(&self) -> Result<CheckPass, TokenError> {
        match self.claims.get("sts") {
            None => Ok(CheckPass::NotApplicable("sts is absent")),
            Some(Value::String(status)) if status == "active" => Ok(CheckPass::Passed),
            Some(Value::String(status)) if status == "pending" => Err(TokenError::SessionPending),
            Some(_) => Err(TokenError::ClaimMalformed("sts")),
        }
    }

    fn leeway(&self) -> SignedDuration {
        SignedDuration::try_from(self.policy.leeway).unwrap_or(SignedDuration::MAX)
    }
}

/// Checks that the token was issued for this server (RFC 7519 §4.1.3, RFC 8707 §2, MCP "Token Audience
/// Binding"). Session tokens have an audience only if the application adds one. The `aud` of a machine token
/// names machines, and an API key has none, so neither kind can be limited to one server.
pub(super) fn check_audience(
    kind: TokenKind,
    audience: Option<&Value>,
    policy: &TokenPolicy,
) -> Result<CheckPass, TokenError> {
    let (rule, off) = match kind {
        TokenKind::OAuthToken => (policy.audience, "CLERK_AUDIENCE is off"),
        TokenKind::SessionToken => (policy.session_audience, "CLERK_SESSION_AUDIENCE is off"),
        TokenKind::M2mToken | TokenKind::ApiKey => {
            return Ok(CheckPass::NotApplicable(
                "tokens of this kind do not name a server",
            ));
        }
    };
    match rule {
        AudiencePolicy::Off => Ok(CheckPass::NotApplicable(off)),
        AudiencePolicy::IfPresent => names_this_server(kind, audience, false, policy),
        AudiencePolicy::Required => names_this_server(kind, audience, true, policy),
        AudiencePolicy::Observe => match names_this_server(kind, audience, true, policy) {
            Err(
                TokenError::AudienceMissing | TokenError::Audience { .. } | TokenError::AudienceQuery { .. },
            ) => Ok(CheckPass::NotApplicable(
                "aud does not name this server, but CLERK_AUDIENCE is observe",
            )),
            // `observe` tolerates only a missing or foreign `aud`, not a malformed one.
            outcome => outcome,
        },
    }
}

/// Returns the `aud` of a token that [`check_audience`] accepts only because of [`AudiencePolicy::Observe`];
/// `null` if the token has none.
pub(super) fn observed_audience(
    kind: TokenKind,
    audience: Option<&Value>,
    policy: &TokenPolicy,
) -> Option<Value> {
    let is_observed = kind == TokenKind::OAuthToken
        && policy.audience == AudiencePolicy::Observe
        && names_this_server(kind, audience, true, policy).is_err();
    is_observed.then(|| audience.cloned().unwrap_or_default())
}

/// Checks that `aud` contains a name of this server. An absent `aud` fails only if it is `required`.
fn names_this_server(
    kind: TokenKind,
    audience: Option<&Value>,
    required: bool,
    policy: &TokenPolicy,
) -> Result<CheckPass, TokenError> {
    let audience = match audience {
        None if required => return Err(TokenError::AudienceMissing),
        None => return Ok(CheckPass::NotApplicable("aud is absent and not required")),
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
    let is_ours = |name: &&str| {
        policy.resources.contains(name) || policy.accepted_audiences.iter().any(|accepted| accepted == name)
    };
    if audience.iter().any(is_ours) {
        return Ok(CheckPass::Passed);
    }
    if audience.is_empty() && required {
        return Err(TokenError::AudienceMissing);
    }
    if kind == TokenKind::SessionToken {
        return Err(TokenError::SessionAudience);
    }
    let expected = policy.resources.mcp().to_owned();
    let names_with_query = |name: &&str| {
        name.split_once('?')
            .is_some_and(|(bare, _)| policy.resources.contains(bare))
    };
    Err(if audience.iter().any(names_with_query) {
        TokenError::AudienceQuery { expected }
    } else {
        TokenError::Audience { expected }
    })
}

/// Checks that a claim is an id of Clerk with this prefix.
fn has_id(claims: &Map<String, Value>, name: &'static str, prefix: &str) -> Result<CheckPass, TokenError> {
    if is_id(required_text(claims, name)?, prefix) {
        return Ok(CheckPass::Passed);
    }
    Err(TokenError::ClaimMalformed(name))
}

/// Returns whether `text` has the form of an id of Clerk: `prefix` and letters, digits or underscores. Ids
/// become part of URLs at Clerk. Clerk's API description fixes their length at 27 characters; here they are
/// only limited.
pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (1..=MAX_ID_LENGTH).contains(&rest.len())
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

const MAX_ID_LENGTH: usize = 64;

/// Returns a claim that must be a string.
pub(super) fn required_text<'a>(
    claims: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a str, TokenError> {
    match claims.get(name) {
        None => Err(TokenError::ClaimMissing(name)),
        Some(value) => value.as_str().ok_or(TokenError::ClaimMalformed(name)),
    }
}

/// Returns a claim that is a time in whole seconds, if present (RFC 7519 §2, "`NumericDate`"). Clerk writes
/// neither fractions nor strings, so both are malformed.
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

/// Returns the text of a non-empty string; `None` for any other value.
pub(super) fn non_empty(value: Option<&Value>) -> Option<&str> {
    value?.as_str().filter(|text| !text.is_empty())
}
