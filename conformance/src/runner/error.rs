//! Why a run has no results.

use std::error::Error;

use super::selection::SelectionError;
use crate::{redact::Redactor, report};

/// Why a run has no results. The messages contain no secrets and no control characters.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The selection is invalid.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The target did not start, cannot be reached, or cannot be set up.
    #[error("{0}")]
    Target(String),
    /// The target ended during the run, and no case can be blamed or no other case could be run.
    #[error("the target ended during the run{0}")]
    Ended(String),
}

impl RunError {
    pub(super) fn target(error: impl Into<Box<dyn Error>>) -> Self {
        Self::Target(error.into().to_string())
    }

    /// Redacts secrets and escapes control characters in the message.
    pub(super) fn redacted(self, redactor: &Redactor) -> Self {
        let redacted = |text: String| report::lines(&redactor.redact(&text));
        match self {
            Self::Selection(_) => self,
            Self::Target(text) => Self::Target(redacted(text)),
            Self::Ended(text) => Self::Ended(redacted(text)),
        }
    }
}
