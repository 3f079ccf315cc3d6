//! The JUnit XML report: one test suite per section, one test case per case.
//!
//! It has no timestamps or durations, so reports of two runs differ only where the target behaves
//! differently.

use std::fmt::Write as _;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{
    sanitize::{Limit, block, line},
    status::Status,
};
use crate::results::{CaseResult, Results};

/// Larger than any answer of a correct target, and small enough for CI systems to show.
const LIMIT: Limit = Limit {
    lines: 200,
    characters: 8_000,
};

pub(super) fn render(results: &Results) -> Result<String, SerializeError> {
    let mut report = Report::new(line(&results.suite.name));
    for (section, cases) in results.sections() {
        let mut suite = TestSuite::new(line(&format!("{} {}", section.number, section.title)));
        suite.add_test_cases(
            cases
                .iter()
                .map(|case| test_case(&results.suite.name, &section.key, case)),
        );
        report.add_test_suite(suite);
    }
    // These entries fail the run, so a CI system that reads only this report must show them.
    if !results.baseline.is_empty() {
        let mut suite = TestSuite::new("Baseline");
        suite.add_test_cases(results.baseline.iter().map(|entry| {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(line(&entry.problem)).set_type("baseline");
            let mut test = TestCase::new(line(&entry.case), status);
            test.set_classname(line(&format!("{}.baseline", results.suite.name)));
            test
        }));
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn test_case(suite: &str, section: &str, case: &CaseResult) -> TestCase {
    let status = Status::of(case);
    let reason = case.reason.as_deref().unwrap_or("no reason given");
    let mut test = TestCase::new(
        line(&case.id),
        match status {
            Status::Pass | Status::Warn => TestCaseStatus::success(),
            Status::Fail => wrong(
                NonSuccessKind::Failure,
                case.level.name(),
                &case.requirement,
                case,
            ),
            Status::NotTestable => wrong(NonSuccessKind::Error, "not-testable", reason, case),
            Status::NotApplicable => skipped(reason),
            Status::Known => skipped(&format!("known: {}", case.known.as_deref().unwrap_or_default())),
        },
    );
    test.set_classname(line(&format!("{suite}.{section}")));
    if status == Status::Warn {
        test.set_system_out(format!("warning: {}", details(case)));
    }
    test
}

fn wrong(kind: NonSuccessKind, category: &str, message: &str, case: &CaseResult) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_type(category)
        .set_message(line(message))
        .set_description(details(case));
    status
}

fn skipped(reason: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(line(reason));
    status
}

/// Returns everything about a case as plain text.
fn details(case: &CaseResult) -> String {
    let mut out = format!("{}\n\nWhy: {}\n", line(&case.requirement), line(&case.why));
    for reference in &case.references {
        let url = reference.url.as_deref().unwrap_or_default();
        let reference = line(&format!("Reference: {} {url}", reference.title));
        let _ = writeln!(out, "{}", reference.trim_end());
    }
    for finding in &case.findings {
        let _ = write!(
            out,
            "\nStep {}\nExpected: {}\nActual: {}\n",
            finding.step,
            block(&finding.expected, LIMIT),
            block(&finding.actual, LIMIT)
        );
    }
    if let Some(exchange) = &case.exchange {
        let _ = write!(
            out,
            "\nRequest of step {}:\n{}\n\nResponse:\n{}\n",
            exchange.step,
            block(&exchange.request, LIMIT),
            block(&exchange.response, LIMIT)
        );
    }
    let _ = write!(out, "\nRun again: {}\n", line(&case.rerun));
    out
}
