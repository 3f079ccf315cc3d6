//! What becomes of a token, and why: every check with its outcome, for whoever asks, and never on the wire.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::AuthError;
use crate::{
    session::Session,
    token::{Check, Outcome, Pass, TokenKind},
};

/// What a token says, what comes of each check, and the session that a request with it would have
/// ([`Authenticator::explain`](super::Authenticator::explain)).
///
/// ```
/// use clerk_mcp::auth::{CheckOutcome, CheckResult, Explanation};
///
/// /// What to mend, in the order of the checks.
/// fn faults(explanation: &Explanation) -> Vec<String> {
///     let failed = |result: &&CheckResult| matches!(result.outcome, CheckOutcome::Failed(_));
///     let words = |result: &CheckResult| format!("{}: {}", result.check, result.outcome.detail().unwrap_or_default());
///     explanation.checks.iter().filter(failed).map(words).collect()
/// }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Explanation {
    /// The kind of token, when its form tells.
    pub kind: Option<TokenKind>,
    /// The header, of a JWT.
    pub header: Option<Map<String, Value>>,
    /// The claims of a JWT, or what Clerk reports of an opaque token. **Unverified** when a check has failed.
    pub claims: Option<Map<String, Value>>,
    /// The checks, in order.
    pub checks: Vec<CheckResult>,
    /// The session, when no check has failed.
    pub session: Option<Arc<Session>>,
}

/// One check, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckResult {
    /// The check.
    pub check: Check,
    /// What came of it.
    pub outcome: CheckOutcome,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckOutcome {
    /// It's as it should be.
    Passed,
    /// Nothing is asked of this token, for this reason.
    NotAsked(&'static str),
    /// It isn't.
    Failed(AuthError),
    /// It could not be made, for want of what an earlier one would have found.
    NotReached,
}

impl Explanation {
    /// What a request with the token is refused with: what the first check that failed says.
    pub fn refusal(&self) -> Option<&AuthError> {
        self.checks.iter().find_map(|result| match &result.outcome {
            CheckOutcome::Failed(error) => Some(error),
            CheckOutcome::Passed | CheckOutcome::NotAsked(_) | CheckOutcome::NotReached => None,
        })
    }

    /// Adds recorded checks.
    pub(super) fn extend<E: Into<AuthError>>(&mut self, outcomes: Vec<Outcome<E>>) {
        for (check, outcome) in outcomes {
            self.add(check, outcome);
        }
    }

    /// Adds a check and what came of it, if it could be made.
    pub(super) fn add<E: Into<AuthError>>(&mut self, check: Check, outcome: Option<Result<Pass, E>>) {
        let outcome = match outcome {
            Some(Ok(Pass::Held)) => CheckOutcome::Passed,
            Some(Ok(Pass::NotAsked(why))) => CheckOutcome::NotAsked(why),
            Some(Err(error)) => CheckOutcome::Failed(error.into()),
            None => CheckOutcome::NotReached,
        };
        self.checks.push(CheckResult { check, outcome });
    }
}

impl CheckOutcome {
    /// `passed`, `not-asked`, `failed` or `not-reached`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotAsked(_) => "not-asked",
            Self::Failed(_) => "failed",
            Self::NotReached => "not-reached",
        }
    }

    /// Why nothing was asked, or what is wrong.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::NotAsked(why) => Some((*why).to_owned()),
            Self::Failed(error) => Some(error.to_string()),
            Self::Passed | Self::NotReached => None,
        }
    }
}
