//! The results of the checks.

use serde::Serialize;

use crate::cli::{error::Failure, output};

/// The result of one check.
#[derive(Debug, Serialize)]
pub(super) struct Diagnosis {
    check: &'static str,
    #[serde(rename = "verdict")]
    pub(super) status: Status,
    /// What the check found.
    detail: String,
    /// What to do, if the check failed.
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Passed,
    Failed,
    /// The check could not run, because it needs the result of an earlier check that failed.
    NotReached,
    /// The check does not apply to this configuration, or only the operator can check this.
    NotApplicable,
}

impl Diagnosis {
    pub(super) fn passed(check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(check, Status::Passed, detail)
    }

    pub(super) fn failed(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..Self::new(check, Status::Failed, detail)
        }
    }

    pub(super) fn not_reached(check: &'static str, why: &str) -> Self {
        Self::new(check, Status::NotReached, why)
    }

    pub(super) fn not_applicable(check: &'static str, why: &str) -> Self {
        Self::new(check, Status::NotApplicable, why)
    }

    fn new(check: &'static str, status: Status, detail: impl Into<String>) -> Self {
        Self {
            check,
            status,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// Formats the result for a terminal, without color and in 80 columns.
    fn to_text(&self) -> String {
        let mark = match self.status {
            Status::Passed => "ok",
            Status::Failed => "FAIL",
            Status::NotReached => "?",
            Status::NotApplicable => "-",
        };
        let remedy = self.remedy.as_deref().map(|remedy| format!(" {remedy}"));
        let words = format!("{}.{}", self.detail, remedy.unwrap_or_default());
        output::check(mark, self.check, WIDTH, &words)
    }
}

/// The results so far. With `are_printed`, prints each result as soon as it is added.
pub(super) struct Diagnoses {
    pub(super) are_printed: bool,
    pub(super) all: Vec<Diagnosis>,
}

impl Diagnoses {
    pub(super) fn add(&mut self, diagnosis: Diagnosis) -> Result<(), Failure> {
        if self.are_printed {
            output::print(&diagnosis.to_text())?;
        }
        self.all.push(diagnosis);
        Ok(())
    }
}

/// The length of the longest check name.
const WIDTH: usize = 16;
