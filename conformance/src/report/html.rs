//! HTML: one page that needs nothing else, no script, no other host.
//!
//! The page can only be read: its policy lets nothing run and nothing load, should a text of a target ever be taken
//! for markup.

use askama::Template;

use super::{
    plain::{self, Limit},
    standing::{self, Standing, by_reason, standing_so},
};
use crate::results::{CaseResult, Results, Section, StaleEntry, Summary};

/// Of a finding, or a message of an exchange.
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
    /// What was not met, the worst first.
    findings: Vec<FindingsView<'a>>,
    not_applicable: Vec<(&'a str, Vec<&'a CaseResult>)>,
    complaints: &'a [StaleEntry],
}

struct SectionView<'a> {
    section: &'a Section,
    summary: Summary,
    cases: &'a [CaseResult],
}

impl SectionView<'_> {
    /// The first of its cases that stands so, if such cases are told of one by one.
    fn first(&self, standing: Standing) -> Option<&str> {
        let is_told = !matches!(standing, Standing::Pass | Standing::NotApplicable);
        let mut those = standing_so(self.cases, standing);
        is_told
            .then(|| those.next())
            .flatten()
            .map(|case| case.id.as_str())
    }
}

/// What stands so, case by case, or by the reason that many share.
struct FindingsView<'a> {
    standing: Standing,
    title: &'static str,
    cases: Vec<&'a CaseResult>,
    reasons: Vec<(&'a str, Vec<&'a CaseResult>)>,
}

impl<'a> FindingsView<'a> {
    fn of(results: &'a Results, standing: Standing, title: &'static str) -> Self {
        let all = &results.cases;
        let (cases, reasons) = if standing == Standing::NotTestable {
            (Vec::new(), by_reason(all, standing))
        } else {
            (standing_so(all, standing).collect(), Vec::new())
        };
        Self {
            standing,
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
            (Standing::Fail, "Failed"),
            (Standing::NotTestable, "Not testable, which counts as failed"),
            (Standing::Warn, "Warned"),
            (Standing::Known, "Known, by the baseline"),
        ]
        .into_iter()
        .map(|(standing, title)| FindingsView::of(results, standing, title))
        .filter(|findings| !findings.cases.is_empty() || !findings.reasons.is_empty())
        .collect(),
        not_applicable: by_reason(&results.cases, Standing::NotApplicable),
        complaints: &results.baseline,
    }
    .render()?;
    page.truncate(page.trim_end().len());
    page.push('\n');
    Ok(page)
}

/// A message, or what was due, as the page shows it.
fn shown(text: &str) -> String {
    plain::block(text, LIMIT)
}
