//! What Clerk says of a token when it's asked (Clerk Backend API, `access_tokens/verify`, `m2m_tokens/verify`,
//! `api_keys/verify`), and the checks that Clerk's own SDK leaves out.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    check::{Check, Pass, Recorder},
    claims::VerifiedClaims,
    error::TokenError,
    kind::TokenKind,
    policy::TokenPolicy,
    rules::check_audience,
};

/// Clerk's answer about a token. **It says what the token is, not that it's good**: only
/// the authenticator's checks make a session of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TokenReport {
    /// `false` is all that is said of an inactive JWT.
    active: Option<bool>,
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

/// Why a report doesn't make a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReportFault {
    /// The token is at fault.
    Token(TokenError),
    /// The report lacks what every report has.
    Incomplete,
}

impl From<TokenError> for ReportFault {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl TokenReport {
    /// Holds the report to `policy`. Clerk answers 200 for revoked and expired tokens too, with a flag; its SDK looks at
    /// none of them.
    pub(crate) fn check(
        self,
        kind: TokenKind,
        policy: &TokenPolicy,
        now: Timestamp,
        recorder: &mut Recorder<ReportFault>,
    ) -> Result<VerifiedClaims, ReportFault> {
        recorder.record(Check::Active, self.check_active())?;
        recorder.record(Check::Revoked, self.check_revoked())?;
        recorder.record(Check::Expiry, self.check_expiry(now))?;
        recorder.record(Check::Subject, self.check_subject(kind))?;
        recorder.record(Check::Audience, check_audience(kind, self.aud.as_ref(), policy))?;
        recorder.finish()?;
        let subject = self.subject.ok_or(ReportFault::Incomplete)?;
        let expires_at = self.expiration.map(timestamp).transpose()?;
        let claims = match self.claims {
            Some(Value::Object(claims)) => claims,
            _ => Map::new(),
        };
        let issued_at = self.created_at.and_then(|at| timestamp(at).ok());
        Ok(VerifiedClaims::reported(
            kind,
            subject,
            self.client_id,
            self.scopes,
            expires_at,
            issued_at,
            claims,
        ))
    }

    /// What Clerk said, **for showing it**.
    pub(crate) fn members(&self) -> Option<Map<String, Value>> {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => Some(members),
            _ => None,
        }
    }

    fn check_active(&self) -> Result<Pass, ReportFault> {
        if self.active == Some(false) {
            return Err(TokenError::NotActive.into());
        }
        if self.subject.is_none() || self.revoked.is_none() || self.expired.is_none() {
            return Err(ReportFault::Incomplete);
        }
        Ok(Pass::Held)
    }

    fn check_revoked(&self) -> Result<Pass, TokenError> {
        if self.revoked == Some(true) {
            return Err(TokenError::Revoked);
        }
        Ok(Pass::Held)
    }

    /// Clerk's word and the time it gives are both held to; there's one clock less to differ, so no leeway.
    fn check_expiry(&self, now: Timestamp) -> Result<Pass, TokenError> {
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
            None if expires_at.is_none() => Ok(Pass::NotAsked("it doesn't expire")),
            None => Ok(Pass::Held),
        }
    }

    fn check_subject(&self, kind: TokenKind) -> Result<Pass, TokenError> {
        let subject = self.subject.as_deref().unwrap_or_default();
        let fits = |prefix: &&str| subject.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
        if subject_prefixes(kind).iter().any(fits) {
            return Ok(Pass::Held);
        }
        Err(TokenError::ClaimMalformed("sub"))
    }
}

fn subject_prefixes(kind: TokenKind) -> &'static [&'static str] {
    match kind {
        TokenKind::SessionToken | TokenKind::OAuthToken => &["user_"],
        TokenKind::M2mToken => &["mch_"],
        TokenKind::ApiKey => &["user_", "org_"],
    }
}

/// Clerk's description gives seconds, its SDK's documentation milliseconds, for the same member. Seconds stay below
/// 10¹² for the next thirty thousand years, milliseconds have been above it since 2001.
fn timestamp(value: f64) -> Result<Timestamp, TokenError> {
    let milliseconds = if value.abs() < 1e12 {
        value * 1_000.0
    } else {
        value
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a number beyond all time saturates, and is refused below"
    )]
    Timestamp::from_millisecond(milliseconds as i64).map_err(|_| TokenError::ClaimMalformed("exp"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::token::{AudiencePolicy, ResourceNames};

    const NOW: i64 = 1_800_000_000;

    fn check(kind: TokenKind, changes: &Value) -> Result<VerifiedClaims, ReportFault> {
        let subject = match kind {
            TokenKind::M2mToken => "mch_1",
            TokenKind::SessionToken | TokenKind::OAuthToken | TokenKind::ApiKey => "user_1",
        };
        let mut report = json!({
            "subject": subject, "client_id": "c", "scopes": ["profile"], "revoked": false, "expired": false,
            "expiration": null, "created_at": NOW, "aud": ["https://mcp.example.com/mcp"],
        });
        for (name, value) in changes.as_object().unwrap() {
            report[name] = value.clone();
        }
        let policy = TokenPolicy {
            issuer: String::new(),
            accepted: TokenKind::ALL.to_vec(),
            audience: AudiencePolicy::Required,
            resources: ResourceNames::new(&"https://mcp.example.com".parse().unwrap()),
            authorized_parties: Vec::new(),
            leeway: Duration::from_secs(5),
        };
        let report: TokenReport = serde_json::from_value(report).unwrap();
        report.check(
            kind,
            &policy,
            Timestamp::from_second(NOW).unwrap(),
            &mut Recorder::stop_at_first_failure(),
        )
    }

    #[test]
    fn a_good_report_passes_in_seconds_and_in_milliseconds() {
        for expiration in [
            json!(null),
            json!(NOW + 1),
            json!((NOW + 1) * 1_000),
            json!(NOW * 1_000 + 1),
        ] {
            let verified = check(TokenKind::OAuthToken, &json!({ "expiration": expiration })).unwrap();
            assert_eq!(
                (verified.subject(), verified.scopes()),
                ("user_1", &["profile".to_owned()][..])
            );
        }
        assert!(check(TokenKind::ApiKey, &json!({ "subject": "org_1", "aud": null })).is_ok());
        assert!(check(TokenKind::M2mToken, &json!({ "aud": null })).is_ok());
    }

    #[test]
    fn every_flag_counts() {
        for (changes, reason) in [
            (json!({ "active": false }), "token-invalid"),
            (json!({ "revoked": true }), "token-revoked"),
            (json!({ "expired": true }), "token-expired"),
            (json!({ "expiration": NOW }), "token-expired"),
            (json!({ "expiration": NOW * 1_000 }), "token-expired"),
            (json!({ "expiration": 1e300 }), "token-verification-failed"),
            (json!({ "subject": "client_1" }), "token-verification-failed"),
            (json!({ "subject": "user_" }), "token-verification-failed"),
            (json!({ "aud": null }), "audience-missing"),
            (json!({ "aud": ["https://other.test"] }), "audience-mismatch"),
        ] {
            let Err(ReportFault::Token(error)) = check(TokenKind::OAuthToken, &changes) else {
                panic!("{changes} passes")
            };
            assert_eq!(error.reason().as_str(), reason, "{changes}");
        }
        for lacking in [
            json!({ "subject": null }),
            json!({ "revoked": null }),
            json!({ "expired": null }),
        ] {
            assert_eq!(
                check(TokenKind::OAuthToken, &lacking).err(),
                Some(ReportFault::Incomplete),
                "{lacking}"
            );
        }
    }
}
