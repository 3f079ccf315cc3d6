//! [`Recorder`]: receives the outcome of each check of a token. A request stops at the first failure; `explain`
//! records all outcomes.

use super::{check::Check, error::VerifyError, kind::TokenKind};

/// The outcome of a check that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckPass {
    /// The token passes the check.
    Passed,
    /// The check does not apply to this token, for this reason.
    NotApplicable(&'static str),
}

/// The receiver of the outcomes of one token's checks. It decides whether the remaining checks run after a
/// failure. Requests stop at the first failure and record nothing; `explain` records every outcome.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// The kind of the token, if its form is valid.
    pub(crate) kind: Option<TokenKind>,
    outcomes: Option<Vec<RecordedCheck>>,
}

/// A check and its outcome; `None` if the check could not run, because an earlier check failed.
pub(crate) type RecordedCheck = (Check, Option<Result<CheckPass, VerifyError>>);

impl Recorder {
    /// Creates a recorder that stops the checks at the first failure. It never allocates.
    pub(crate) const fn stop_at_first_failure() -> Self {
        Self {
            kind: None,
            outcomes: None,
        }
    }

    /// Creates a recorder that keeps every outcome and does not stop the checks.
    pub(crate) const fn record_all() -> Self {
        Self {
            kind: None,
            outcomes: Some(Vec::new()),
        }
    }

    /// Returns whether the remaining checks run after a failure.
    pub(super) fn records_all(&self) -> bool {
        self.outcomes.is_some()
    }

    /// Records the outcome of a check. Returns the failure if this recorder stops at the first one. Otherwise
    /// returns `Ok`, even if the check failed.
    pub(super) fn record(
        &mut self,
        check: Check,
        outcome: Result<CheckPass, impl Into<VerifyError>>,
    ) -> Result<(), VerifyError> {
        let outcome = outcome.map_err(Into::into);
        match &mut self.outcomes {
            Some(outcomes) => outcomes.push((check, Some(outcome))),
            None => drop(outcome?),
        }
        Ok(())
    }

    /// Records the outcome of a check whose value the next checks need. Returns the value, or the failure.
    pub(super) fn require<T>(
        &mut self,
        check: Check,
        result: Result<T, VerifyError>,
    ) -> Result<T, VerifyError> {
        if let Some(outcomes) = &mut self.outcomes {
            let outcome = result
                .as_ref()
                .map(|_| CheckPass::Passed)
                .map_err(VerifyError::clone);
            outcomes.push((check, Some(outcome)));
        }
        result
    }

    /// Records that `checks` could not run, because an earlier check failed.
    pub(super) fn not_reached(&mut self, checks: &[Check]) {
        if let Some(outcomes) = &mut self.outcomes {
            outcomes.extend(checks.iter().map(|check| (*check, None)));
        }
    }

    /// Returns the first recorded failure, as an error. Call this before building anything from the token.
    pub(super) fn finish(&self) -> Result<(), VerifyError> {
        let mut outcomes = self.outcomes.iter().flatten();
        match outcomes.find_map(|(_, outcome)| outcome.as_ref()?.as_ref().err()) {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    /// Returns the recorded outcomes, in the order of the checks.
    pub(crate) fn into_outcomes(self) -> Vec<RecordedCheck> {
        self.outcomes.unwrap_or_default()
    }
}
