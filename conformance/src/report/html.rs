//! The HTML report: one self-contained page without scripts.
//!
//! Its content security policy blocks scripts and network requests, in case text from a target is ever
//! interpreted as markup.

use askama::Template;

use super::{
    sanitize::{self, Limit},
    status::{self, Status, by_reason, with_status},
};
use crate::results::{CaseResult, Results, Section, StaleEntry, Summary};

/// The limit for an expected or actual answer, and for a request or response.
const LIMIT: Limit = Limit {
    lines: 400,
    characters: 20_000,
};
const STYLE: &str = include_str!("../../templates/report.css");

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    results: &'a Results,
    summary: Summary,
    sections: Vec<SectionView<'a>>,
    /// Every group of findings, worst first.
    findings: Vec<FindingsView<'a>>,
    not_applicable: Vec<(&'a str, Vec<&'a CaseResult>)>,
    stale_entries: &'a [StaleEntry],
}

struct SectionView<'a> {
    section: &'a Section,
    summary: Summary,
    cases: &'a [CaseResult],
}

impl SectionView<'_> {
    /// Returns the id of the first case with this status, if the page describes such cases one by one.
    fn first(&self, status: Status) -> Option<&str> {
        let is_described = !matches!(status, Status::Pass | Status::NotApplicable);
        let mut cases = with_status(self.cases, status);
        is_described
            .then(|| cases.next())
            .flatten()
            .map(|case| case.id.as_str())
    }
}

/// The findings with one status: a list of cases, or groups of cases with the same reason.
struct FindingsView<'a> {
    status: Status,
    title: &'static str,
    cases: Vec<&'a CaseResult>,
    reasons: Vec<(&'a str, Vec<&'a CaseResult>)>,
}

impl<'a> FindingsView<'a> {
    fn of(results: &'a Results, status: Status, title: &'static str) -> Self {
        let all = &results.cases;
        let (cases, reasons) = if status == Status::NotTestable {
            (Vec::new(), by_reason(all, status))
        } else {
            (with_status(all, status).collect(), Vec::new())
        };
        Self {
            status,
            title,
            cases,
            reasons,
        }
    }
}

pub(super) fn render(results: &Results) -> Result<String, askama::Error> {
    let mut page = Page {
        results,
        summary: results.summary(),
        sections: results
            .sections()
            .map(|(section, cases)| SectionView {
                section,
                summary: Summary::of(cases),
                cases,
            })
            .collect(),
        findings: [
            (Status::Fail, "Failed"),
            (Status::NotTestable, "Not testable, counted as failures"),
            (Status::Warn, "Warnings"),
            (Status::Known, "Known failures"),
        ]
        .into_iter()
        .map(|(status, title)| FindingsView::of(results, status, title))
        .filter(|findings| !findings.cases.is_empty() || !findings.reasons.is_empty())
        .collect(),
        not_applicable: by_reason(&results.cases, Status::NotApplicable),
        stale_entries: &results.baseline,
    }
    .render()?;
    page.truncate(page.trim_end().len());
    page.push('\n');
    Ok(page)
}

/// Returns a message, or an expected or actual answer, as the page shows it.
fn shown(text: &str) -> String {
    sanitize::block(text, LIMIT)
}
