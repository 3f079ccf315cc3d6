//! What comes of a case, and why a step may not be run.

use super::clerk_admin::ClerkError;
use crate::results::{Exchange, Finding};

/// The outcome of running a case, before its level is considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CaseOutcome {
    Passed,
    Failed(Failure),
    /// The target ended. This fails the case even if it is only a recommendation.
    TargetEnded(Failure),
    /// The case could not be run although this run should be able to.
    NotTestable(String),
    /// This run cannot run the case: it has no local Clerk, for example.
    OutOfReach(String),
}

/// What did not hold in a step, and the exchange that shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) findings: Vec<Finding>,
    pub(super) exchange: Option<Exchange>,
}

/// Why a step could not be run.
pub(super) enum StepError {
    /// See [`CaseOutcome::NotTestable`].
    NotTestable(String),
    /// See [`CaseOutcome::OutOfReach`].
    OutOfReach(String),
}

impl StepError {
    pub(super) fn needs_clerk() -> Self {
        Self::OutOfReach("the case needs the local Clerk, which issues the tokens".to_owned())
    }
}

impl From<ClerkError> for StepError {
    fn from(error: ClerkError) -> Self {
        Self::NotTestable(error.to_string())
    }
}
