//! [`Explanation`]: every check of a token with its outcome. For operators, never for clients.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::AuthError;
use crate::{
    session::Session,
    token::{Check, CheckPass, RecordedCheck, TokenKind},
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
    pub(super) fn extend<E: Into<AuthError>>(&mut self, outcomes: Vec<RecordedCheck<E>>) {
        for (check, outcome) in outcomes {
            self.add(check, outcome);
        }
    }

    /// Adds a check and its outcome; `None` if the check could not run.
    pub(super) fn add<E: Into<AuthError>>(&mut self, check: Check, outcome: Option<Result<CheckPass, E>>) {
        let outcome = match outcome {
            Some(Ok(CheckPass::Passed)) => CheckOutcome::Passed,
            Some(Ok(CheckPass::NotApplicable(why))) => CheckOutcome::NotApplicable(why),
            Some(Err(error)) => CheckOutcome::Failed(error.into()),
            None => CheckOutcome::NotReached,
        };
        self.checks.push(CheckResult { check, outcome });
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
