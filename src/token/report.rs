//! Clerk's reports about opaque tokens (Clerk Backend API, `access_tokens/verify`, `m2m_tokens/verify`,
//! `api_keys/verify`), and their checks. Clerk's own SDK omits some of them.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    check::Check,
    claims::VerifiedClaims,
    error::{TokenError, VerifyError},
    kind::TokenKind,
    policy::TokenPolicy,
    recorder::{CheckPass, Recorder},
    rules::{check_audience, is_id, observed_audience},
};

/// Clerk's report about a token. **A report does not mean that the token is valid**: call
/// [`check`](Self::check).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TokenReport {
    /// `false` if the token is not active; such a report has no other member.
    active: Option<bool>,
    object: Option<String>,
    subject: Option<String>,
    client_id: Option<String>,
    scopes: Vec<String>,
    revoked: Option<bool>,
    expired: Option<bool>,
    expiration: Option<f64>,
    created_at: Option<f64>,
    aud: Option<Value>,
    claims: Option<Value>,
}

impl TokenReport {
    /// Returns whether the report has the members of every report about a token of this kind. Any other one
    /// says nothing about the token.
    pub(crate) fn is_complete(&self, kind: TokenKind) -> bool {
        let is_of_kind = self.object.as_deref() == Some(object(kind));
        let has_members = self.subject.is_some() && self.revoked.is_some() && self.expired.is_some();
        self.active == Some(false) || (is_of_kind && has_members)
    }

    /// Checks the report against `policy`: `active`, `revoked`, expiry, subject and audience, in this order.
    /// `recorder` decides whether the remaining checks run after a failure. Clerk answers 200 for a revoked
    /// or expired token too, with a flag that Clerk's SDK ignores.
    pub(crate) fn check(
        self,
        kind: TokenKind,
        policy: &TokenPolicy,
        now: Timestamp,
        recorder: &mut Recorder,
    ) -> Result<VerifiedClaims, VerifyError> {
        recorder.record(Check::Active, self.check_active())?;
        recorder.record(Check::Revoked, self.check_revoked())?;
        recorder.record(Check::Expiry, self.check_expiry(now))?;
        recorder.record(Check::Subject, self.check_subject(kind))?;
        recorder.record(Check::Audience, check_audience(kind, self.aud.as_ref(), policy))?;
        recorder.finish()?;
        Ok(VerifiedClaims {
            kind,
            observed_audience: observed_audience(kind, self.aud.as_ref(), policy),
            subject: self.subject.ok_or(TokenError::ClaimMissing("sub"))?,
            client_id: self.client_id.filter(|id| !id.is_empty()),
            scopes: self.scopes,
            expires_at: self.expiration.map(timestamp).transpose()?,
            issued_at: self.created_at.and_then(|at| timestamp(at).ok()),
            claims: match self.claims {
                Some(Value::Object(claims)) => claims,
                _ => Map::new(),
            },
            key: None,
        })
    }

    /// Returns the members of the report, **for display only**.
    pub(crate) fn members(&self) -> Option<Map<String, Value>> {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => Some(members),
            _ => None,
        }
    }

    fn check_active(&self) -> Result<CheckPass, TokenError> {
        if self.active == Some(false) {
            return Err(TokenError::NotActive);
        }
        Ok(CheckPass::Passed)
    }

    fn check_revoked(&self) -> Result<CheckPass, TokenError> {
        if self.revoked == Some(true) {
            return Err(TokenError::Revoked);
        }
        Ok(CheckPass::Passed)
    }

    /// Checks both the flag and the time. No leeway is applied: the flag comes from Clerk's own clock.
    fn check_expiry(&self, now: Timestamp) -> Result<CheckPass, TokenError> {
        let expires_at = self.expiration.map(timestamp).transpose()?;
        let since = expires_at
            .map(|at| now.duration_since(at))
            .filter(|since| !since.is_negative());
        match since {
            Some(since) => Err(TokenError::Expired {
                since: since.unsigned_abs(),
            }),
            None if self.expired == Some(true) => Err(TokenError::Expired {
                since: Duration::ZERO,
            }),
            None if expires_at.is_none() => Ok(CheckPass::NotApplicable("the token does not expire")),
            None => Ok(CheckPass::Passed),
        }
    }

    fn check_subject(&self, kind: TokenKind) -> Result<CheckPass, TokenError> {
        let subject = self.subject.as_deref().unwrap_or_default();
        if subject_prefixes(kind).iter().any(|prefix| is_id(subject, prefix)) {
            return Ok(CheckPass::Passed);
        }
        Err(TokenError::ClaimMalformed("sub"))
    }
}

/// Returns the `object` of a report about a token of this kind.
fn object(kind: TokenKind) -> &'static str {
    match kind {
        // Session tokens are never opaque.
        TokenKind::SessionToken | TokenKind::OAuthToken => "clerk_idp_oauth_access_token",
        TokenKind::M2mToken => "machine_to_machine_token",
        TokenKind::ApiKey => "api_key",
    }
}

fn subject_prefixes(kind: TokenKind) -> &'static [&'static str] {
    match kind {
        TokenKind::SessionToken | TokenKind::OAuthToken => &["user_"],
        TokenKind::M2mToken => &["mch_"],
        TokenKind::ApiKey => &["user_", "org_"],
    }
}

/// Converts seconds or milliseconds to a time. Clerk's API description says that the member has seconds, and
/// the documentation of its SDK says milliseconds. A time in seconds is below 10¹² for the next 30,000 years;
/// a time in milliseconds has been above 10¹² since 2001.
fn timestamp(value: f64) -> Result<Timestamp, TokenError> {
    let milliseconds = if value.abs() < 1e12 {
        value * 1_000.0
    } else {
        value
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a number out of range saturates, and is rejected below"
    )]
    Timestamp::from_millisecond(milliseconds as i64).map_err(|_| TokenError::ClaimMalformed("exp"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::token::{AudiencePolicy, ResourceNames};

    const NOW: i64 = 1_800_000_000;

    fn report(kind: TokenKind, changes: &Value) -> TokenReport {
        let subject = match kind {
            TokenKind::M2mToken => "mch_1",
            TokenKind::SessionToken | TokenKind::OAuthToken | TokenKind::ApiKey => "user_1",
        };
        let mut report = json!({
            "object": object(kind), "subject": subject, "client_id": "c", "scopes": ["profile"], "revoked": false, "expired": false,
            "expiration": null, "created_at": NOW, "aud": ["https://mcp.example.com/mcp"],
        });
        for (name, value) in changes.as_object().unwrap() {
            report[name] = value.clone();
        }
        serde_json::from_value(report).unwrap()
    }

    fn check(kind: TokenKind, changes: &Value) -> Result<VerifiedClaims, VerifyError> {
        let policy = TokenPolicy {
            issuer: String::new(),
            accepted: TokenKind::ALL.to_vec(),
            audience: AudiencePolicy::Required,
            session_audience: AudiencePolicy::IfPresent,
            resources: ResourceNames::new(&"https://mcp.example.com".parse().unwrap()),
            accepted_audiences: Vec::new(),
            authorized_parties: Vec::new(),
            leeway: Duration::from_secs(5),
        };
        report(kind, changes).check(
            kind,
            &policy,
            Timestamp::from_second(NOW).unwrap(),
            &mut Recorder::stop_at_first_failure(),
        )
    }

    #[test]
    fn valid_report_passes_with_times_in_seconds_or_milliseconds() {
        for expiration in [
            json!(null),
            json!(NOW + 1),
            json!((NOW + 1) * 1_000),
            json!(NOW * 1_000 + 1),
        ] {
            let verified = check(TokenKind::OAuthToken, &json!({ "expiration": expiration })).unwrap();
            assert_eq!(
                (&*verified.subject, &*verified.scopes),
                ("user_1", &["profile".to_owned()][..])
            );
        }
        assert!(check(TokenKind::ApiKey, &json!({ "subject": "org_1", "aud": null })).is_ok());
        assert!(check(TokenKind::M2mToken, &json!({ "aud": null })).is_ok());
    }

    #[test]
    fn report_with_any_defect_is_rejected() {
        for (changes, reason) in [
            (json!({ "active": false }), "token-invalid"),
            (json!({ "revoked": true }), "token-revoked"),
            (json!({ "expired": true }), "token-expired"),
            (json!({ "expiration": NOW }), "token-expired"),
            (json!({ "expiration": NOW * 1_000 }), "token-expired"),
            (json!({ "expiration": 1e300 }), "token-verification-failed"),
            (json!({ "subject": "client_1" }), "token-verification-failed"),
            (json!({ "subject": "user_" }), "token-verification-failed"),
            (json!({ "subject": "user_1/../.." }), "token-verification-failed"),
            (json!({ "aud": null }), "audience-missing"),
            (json!({ "aud": ["https://other.test"] }), "audience-mismatch"),
        ] {
            let Err(VerifyError::Token(error)) = check(TokenKind::OAuthToken, &changes) else {
                panic!("{changes} passes")
            };
            assert_eq!(error.reason().as_str(), reason, "{changes}");
        }
    }

    #[test]
    fn report_that_lacks_a_member_is_incomplete() {
        let is_complete =
            |changes: &Value| report(TokenKind::OAuthToken, changes).is_complete(TokenKind::OAuthToken);
        assert!(is_complete(&json!({})));
        assert!(is_complete(&json!({ "active": false, "object": null })));
        for lacking in [
            json!({ "object": null }),
            json!({ "object": "api_key" }),
            json!({ "subject": null }),
            json!({ "revoked": null }),
            json!({ "expired": null }),
        ] {
            assert!(!is_complete(&lacking), "{lacking}");
        }
    }
}
