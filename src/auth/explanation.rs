//! [`Authenticator::explain`], and its result, [`Explanation`]: every check of a token with its outcome. For
//! operators, never for clients.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Authenticator, error::AuthError};
use crate::{
    session::Session,
    token::{
        BearerError, BearerToken, Check, CheckPass, RecordedCheck, Recorder, TokenError, TokenKind,
        TokenVerifier, VerifyError, unverified_members,
    },
};

/// The contents of a token, the outcome of each check, and the session that a request with the token would
/// have. Created by [`Authenticator::explain`](super::Authenticator::explain).
///
/// ```
/// use clerk_mcp::auth::{CheckOutcome, CheckResult, Explanation};
///
/// /// Lists the failed checks in order.
/// fn failures(explanation: &Explanation) -> Vec<String> {
///     let failed = |result: &&CheckResult| matches!(result.outcome, CheckOutcome::Failed(_));
///     let detail = |result: &CheckResult| result.outcome.detail().unwrap_or_default();
///     let describe = |result: &CheckResult| format!("{}: {}", result.check, detail(result));
///     explanation.checks.iter().filter(failed).map(describe).collect()
/// }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Explanation {
    /// The kind of token, if its form is valid.
    pub kind: Option<TokenKind>,
    /// The header of a JWT.
    pub header: Option<Map<String, Value>>,
    /// The claims of a JWT, or Clerk's report about an opaque token. **Unverified** if a check has failed.
    pub claims: Option<Map<String, Value>>,
    /// The checks, in order.
    pub checks: Vec<CheckResult>,
    /// The session, if no check has failed.
    pub session: Option<Arc<Session>>,
}

/// A check and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckResult {
    /// The check.
    pub check: Check,
    /// Its outcome.
    pub outcome: CheckOutcome,
}

/// The outcome of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckOutcome {
    /// The token passes the check.
    Passed,
    /// The check does not apply to this token, for this reason.
    NotApplicable(&'static str),
    /// The token fails the check.
    Failed(AuthError),
    /// The check could not run, because it needs the result of an earlier check that failed.
    NotReached,
}

impl Explanation {
    /// Returns the error of the first failed check. A request with this token would be rejected with it.
    pub fn first_failure(&self) -> Option<&AuthError> {
        self.checks.iter().find_map(|result| match &result.outcome {
            CheckOutcome::Failed(error) => Some(error),
            CheckOutcome::Passed | CheckOutcome::NotApplicable(_) | CheckOutcome::NotReached => None,
        })
    }

    /// Returns the value of the claim that a check compares with the configuration.
    #[cfg(feature = "demo")]
    pub(crate) fn received(&self, check: Check) -> Option<&Value> {
        matches!(check, Check::Issuer | Check::AuthorizedParty | Check::Audience)
            .then(|| self.claims.as_ref()?.get(check.as_str()))
            .flatten()
    }

    /// Describes the outcome of a check: what was expected, and what was found.
    #[cfg(feature = "demo")]
    pub(crate) fn describe(&self, CheckResult { check, outcome }: &CheckResult) -> String {
        let detail = outcome.detail().unwrap_or_default();
        match outcome {
            CheckOutcome::Passed => check.demand().to_owned(),
            CheckOutcome::NotApplicable(_) => format!("not checked: {detail}"),
            CheckOutcome::Failed(_) => {
                let received = self.received(*check);
                let received = received.map_or_else(String::new, |value| format!(". Received: {value}"));
                format!("{detail}{received}. Expected: {}", check.demand())
            }
            CheckOutcome::NotReached => "not checked, because an earlier check failed".to_owned(),
        }
    }

    /// Adds recorded checks.
    fn extend(&mut self, outcomes: Vec<RecordedCheck>) {
        for (check, outcome) in outcomes {
            self.add(check, outcome);
        }
    }

    /// Adds a check and its outcome; `None` if the check could not run.
    fn add<E: Into<AuthError>>(&mut self, check: Check, outcome: Option<Result<CheckPass, E>>) {
        let outcome = match outcome {
            Some(Ok(CheckPass::Passed)) => CheckOutcome::Passed,
            Some(Ok(CheckPass::NotApplicable(why))) => CheckOutcome::NotApplicable(why),
            Some(Err(error)) => CheckOutcome::Failed(error.into()),
            None => CheckOutcome::NotReached,
        };
        self.checks.push(CheckResult { check, outcome });
    }
}

impl Authenticator {
    /// Explains whether a request with `token` would be accepted: runs every check, including those after the
    /// first failure. Verifies opaque tokens with Clerk. Takes the outcome for the secret key from the state
    /// given to [`watch_secret_key`](Self::watch_secret_key). Caches nothing. **Do not send the result to
    /// clients**: the reasons help an attacker to forge tokens.
    pub async fn explain(&self, token: &str) -> Explanation {
        let token: BearerToken = match token.parse() {
            Ok(token) => token,
            Err(error) => {
                let mut explanation = Explanation::default();
                explanation.add(Check::Form, Some(Err::<CheckPass, BearerError>(error)));
                return explanation;
            }
        };
        let mut explanation = Explanation::default();
        explanation.add(
            Check::SecretKey,
            Some(match self.secret_key.misconfiguration() {
                Some(misconfiguration) => Err(misconfiguration),
                None if self.secret_key.is_known_good() => Ok(CheckPass::Passed),
                None => Ok(CheckPass::NotApplicable("Clerk has not confirmed the secret key")),
            }),
        );
        self.explain_checks(&token, &mut explanation).await;
        let needed = &self.challenge.required_scopes;
        let outcome = explanation.session.as_ref().map(|session| {
            if needed.is_empty() {
                return Ok(CheckPass::NotApplicable("REQUIRED_SCOPES is not set"));
            }
            session.require_scopes(needed).map(|()| CheckPass::Passed)
        });
        explanation.add(Check::Scopes, outcome);
        if explanation.first_failure().is_some() {
            explanation.session = None;
        }
        explanation
    }

    /// Runs every check of a token and adds the outcomes and the session to `explanation`. Nothing is cached.
    async fn explain_checks(&self, token: &BearerToken, explanation: &mut Explanation) {
        let mut recorder = Recorder::record_all();
        let verified = self.verifier.check(token, &mut recorder).await;
        explanation.kind = recorder.kind;
        (explanation.header, explanation.claims) = unverified_members(token.expose()).unzip();
        explanation.extend(recorder.into_outcomes());
        match verified {
            Ok(verified) => explanation.session = Some(Arc::new(verified.into())),
            Err(VerifyError::Opaque(kind)) => self.explain_opaque(kind, token, explanation).await,
            // The failure is among the recorded checks.
            Err(VerifyError::Token(_) | VerifyError::Keys(_)) => {}
        }
    }

    /// Adds the checks of Clerk's report about an opaque token.
    async fn explain_opaque(&self, kind: TokenKind, token: &BearerToken, explanation: &mut Explanation) {
        let answer = match &self.opaque {
            Some(opaque) => opaque.fetch_report(kind, token).await,
            None => Err(TokenError::KindNotAccepted(kind).into()),
        };
        let report = match answer {
            Ok(report) => report,
            Err(error) => {
                explanation.add(Check::Active, Some(Err(error)));
                for check in [Check::Revoked, Check::Expiry, Check::Subject, Check::Audience] {
                    explanation.add(check, None::<Result<CheckPass, AuthError>>);
                }
                return;
            }
        };
        explanation.claims = report.members();
        let mut recorder = Recorder::record_all();
        let TokenVerifier { policy, clock, .. } = &self.verifier;
        let verified = report.check(kind, policy, clock.now(), &mut recorder);
        explanation.extend(recorder.into_outcomes());
        explanation.session = verified.ok().map(|verified| Arc::new(verified.into()));
    }
}

impl CheckOutcome {
    /// Returns `passed`, `not-applicable`, `failed` or `not-reached`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotApplicable(_) => "not-applicable",
            Self::Failed(_) => "failed",
            Self::NotReached => "not-reached",
        }
    }

    /// Returns why the check does not apply, or why it failed.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::NotApplicable(why) => Some((*why).to_owned()),
            Self::Failed(error) => Some(error.to_string()),
            Self::Passed | Self::NotReached => None,
        }
    }
}
