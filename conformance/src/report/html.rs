//! The HTML report: one self-contained page. It is complete without its script, which filters the cases and
//! copies texts.
//!
//! Its content security policy blocks network requests and all other scripts, in case text from a target is
//! ever interpreted as markup.

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::{
    sanitize::{self, Limit},
    status::{self, Status, by_reason, with_status},
};
use crate::{
    assessment::{Assessment, Connects, Group},
    policy::Matrix,
    results::{CaseResult, Results, Section, StaleEntry, Summary},
};

/// The limit for an expected or actual answer, and for a request or response.
const LIMIT: Limit = Limit {
    lines: 400,
    characters: 20_000,
};
const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: &str = include_str!("../../templates/report.js");

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    results: &'a Results,
    assessment: Assessment<'a>,
    /// The id of the first case that failed or could not be tested.
    first_failure: Option<&'a str>,
    summary: Summary,
    sections: Vec<SectionView<'a>>,
    policy: Option<Matrix<'a>>,
    not_testable: Vec<(&'a str, Vec<&'a CaseResult>)>,
    known: Vec<&'a CaseResult>,
    not_applicable: Vec<(&'a str, Vec<&'a CaseResult>)>,
    stale_entries: &'a [StaleEntry],
    /// Allows [`SCRIPT`] in the content security policy.
    script_hash: String,
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

pub(super) fn render(results: &Results) -> Result<String, askama::Error> {
    let assessment = Assessment::of(results);
    let not_testable = by_reason(&results.cases, Status::NotTestable);
    let failed = assessment.failures().flat_map(Group::cases);
    let first_failure = failed
        .chain(not_testable.iter().flat_map(|(_, cases)| cases).copied())
        .next();
    let mut page = Page {
        results,
        first_failure: first_failure.map(|case| case.id.as_str()),
        assessment,
        summary: results.summary(),
        sections: results
            .sections()
            .map(|(section, cases)| SectionView {
                section,
                summary: Summary::of(cases),
                cases,
            })
            .collect(),
        policy: Matrix::of(results),
        not_testable,
        known: with_status(&results.cases, Status::Known).collect(),
        not_applicable: by_reason(&results.cases, Status::NotApplicable),
        stale_entries: &results.baseline,
        script_hash: BASE64_STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes())),
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

/// Returns the status of the worst case of a cause.
fn status_of(group: &Group<'_>) -> Status {
    if group.failed.is_empty() {
        Status::Warn
    } else {
        Status::Fail
    }
}

/// Counts the cases of a cause: `2 cases failed, 1 warned`.
fn counted(group: &Group<'_>) -> String {
    match (group.failed.len(), group.warned.len()) {
        (0, warned) => format!("{} warned", status::cases(warned)),
        (failed, 0) => format!("{} failed", status::cases(failed)),
        (failed, warned) => format!("{} failed, {warned} warned", status::cases(failed)),
    }
}

/// Returns a text of the suite as HTML. Text between backticks becomes code.
fn marked(text: &str) -> String {
    let mut marked = String::new();
    for (number, part) in sanitize::html(text).split('`').enumerate() {
        match number % 2 {
            0 => marked.push_str(part),
            _ => marked.extend(["<code>", part, "</code>"]),
        }
    }
    marked
}
