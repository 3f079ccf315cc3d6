//! What one check found, and the list of them.

use serde::Serialize;

use crate::cli::{error::Failure, output};

/// One check, and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Diagnosis {
    check: &'static str,
    #[serde(rename = "verdict")]
    pub(super) status: Status,
    /// What is so.
    detail: String,
    /// What to do about it.
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Passed,
    Failed,
    /// Nothing could be found out, for want of what an earlier check would have found.
    NotReached,
    /// There's nothing to find out here.
    NotAsked,
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

    pub(super) fn not_asked(check: &'static str, why: &str) -> Self {
        Self::new(check, Status::NotAsked, why)
    }

    fn new(check: &'static str, status: Status, detail: impl Into<String>) -> Self {
        Self {
            check,
            status,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// Readable without colour and in 80 columns.
    fn to_text(&self) -> String {
        let mark = match self.status {
            Status::Passed => "ok",
            Status::Failed => "FAIL",
            Status::NotReached => "?",
            Status::NotAsked => "-",
        };
        let remedy = self.remedy.as_deref().map(|remedy| format!(" {remedy}"));
        let words = format!("{}.{}", self.detail, remedy.unwrap_or_default());
        output::check(mark, self.check, WIDTH, &words)
    }
}

/// What was found so far; each is told as soon as it's there.
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

/// Of the longest name of a check.
const WIDTH: usize = 16;
