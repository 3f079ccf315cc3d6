//! The terminal report: one line per section, details of each failure, and a summary at the end.
//!
//! Colors only repeat what words and symbols say.

use super::{
    Style,
    sanitize::{self, Limit, line},
    status::{Status, all_counts, by_reason, cases, counts, headline, run_status, with_status},
    text_writer::{BAD, BOLD, DIM, DOUBTFUL, PLAIN, Prefix, TextWriter},
};
use crate::results::{CaseResult, Results, Section, Summary};

/// The limit for a request or response. The JSON and HTML reports show more.
const MESSAGE: Limit = Limit {
    lines: 20,
    characters: 1_200,
};
/// The limit for an expected or actual answer.
const FINDING: Limit = Limit {
    lines: 8,
    characters: 600,
};
/// The column where the text of a failure begins.
const INDENT: usize = 5;
/// The column where the text after a label begins.
const VALUES: usize = 16;

pub(super) fn render(results: &Results, style: Style) -> String {
    let mut out = TextWriter::new(style);
    heading(&mut out, results);
    for (section, all) in results.sections() {
        section_line(&mut out, section, &Summary::of(all));
        for status in [Status::Fail, Status::Warn] {
            for case in with_status(all, status) {
                details(&mut out, case, status);
            }
        }
    }
    brief_list(&mut out, "Failed", &results.cases, Status::Fail);
    brief_list(&mut out, "Warnings", &results.cases, Status::Warn);
    not_testable(&mut out, results);
    not_applicable(&mut out, results);
    baseline(&mut out, results);
    conclusion(&mut out, results);
    out.finish()
}

fn heading(out: &mut TextWriter, results: &Results) {
    let suite = &results.suite;
    out.heading(&line(&format!("{} {}", suite.name, suite.version)));
    let target = &results.target;
    let selected = match results.cases.len() {
        all if all == suite.cases => cases(all),
        some => format!("{some} of {}", cases(suite.cases)),
    };
    for (label, value) in [
        ("Target", &target.address),
        (
            "Profile",
            &format!("{}, {}", target.profile, target.reach.describe()),
        ),
        ("Cases", &selected),
    ] {
        labeled(out, 0, 9, label, &line(value));
    }
    out.blank();
    if let Some(headline) = headline(results) {
        let prefix = Prefix {
            text: Status::Fail.symbol(),
            paint: BAD,
            column: 0,
        };
        out.wrapped(&prefix, &line(&headline), BAD);
        out.blank();
    }
}

fn section_line(out: &mut TextWriter, section: &Section, summary: &Summary) {
    let status = Status::worst(summary).unwrap_or(Status::NotApplicable);
    let prefix = Prefix {
        text: &format!(
            "{} {:>2} {}",
            status.symbol(),
            section.number,
            line(&section.title)
        ),
        paint: status.paint(),
        column: 42,
    };
    out.wrapped(&prefix, &counts(summary), PLAIN);
}

/// Writes everything about a failed case.
fn details(out: &mut TextWriter, case: &CaseResult, status: Status) {
    out.blank();
    let prefix = Prefix {
        text: &format!(
            "   {} {} {}",
            status.symbol(),
            status.word().to_uppercase(),
            line(&case.id)
        ),
        paint: status.paint(),
        column: 0,
    };
    out.wrapped(&prefix, &format!("({})", case.level.name()), DIM);
    let prefix = indented(INDENT);
    out.wrapped(&prefix, &line(&case.requirement), BOLD);
    labeled(out, INDENT, VALUES, "Why", &line(&case.why));
    for (number, reference) in case.references.iter().enumerate() {
        let label = if number == 0 { "Reference" } else { "" };
        labeled(out, INDENT, VALUES, label, &line(&reference.title));
        if let Some(url) = &reference.url {
            out.unwrapped(&indented(VALUES), &line(url));
        }
    }
    // Names a step only if it is not the first. Most cases have only one step.
    let mut step = 1;
    let mut name_step = |out: &mut TextWriter, next: usize| {
        if next != step {
            labeled(out, INDENT, VALUES, "Step", &next.to_string());
            step = next;
        }
    };
    for finding in &case.findings {
        name_step(out, finding.step);
        message(out, "Expected", "", &sanitize::block(&finding.expected, FINDING));
        message(out, "Actual", "", &sanitize::block(&finding.actual, FINDING));
    }
    if let Some(exchange) = &case.exchange {
        name_step(out, exchange.step);
        message(out, "Request", "> ", &sanitize::block(&exchange.request, MESSAGE));
        message(
            out,
            "Response",
            "< ",
            &sanitize::block(&exchange.response, MESSAGE),
        );
    }
    // The command is on a line of its own, so that it is easy to copy.
    labeled(out, INDENT, VALUES, "Run again", "");
    out.unwrapped(&indented(INDENT), &line(&case.rerun));
    out.blank();
}

/// Writes a text of several lines after a label, with a mark before each line.
fn message(out: &mut TextWriter, label: &str, mark: &str, text: &str) {
    let label = format!("{:INDENT$}{label}", "");
    for (number, part) in text.split('\n').enumerate() {
        let first = if number == 0 { label.as_str() } else { "" };
        let prefix = Prefix {
            text: &format!("{first:VALUES$}{mark}"),
            paint: DIM,
            column: VALUES + mark.len(),
        };
        out.message_line(&prefix, part);
    }
}

/// Lists the cases with this status, each with its requirement.
fn brief_list(out: &mut TextWriter, title: &str, all: &[CaseResult], status: Status) {
    let mut cases = with_status(all, status).peekable();
    if cases.peek().is_none() {
        return;
    }
    out.blank();
    out.heading(title);
    for case in cases {
        let prefix = Prefix {
            text: &format!("  {} {}", status.symbol(), line(&case.id)),
            paint: status.paint(),
            column: 0,
        };
        out.wrapped(&prefix, "", PLAIN);
        out.wrapped(&indented(4), &line(&case.requirement), PLAIN);
    }
}

/// Lists the cases that could not be tested, grouped by reason, with the command that reruns the first of
/// each group.
fn not_testable(out: &mut TextWriter, results: &Results) {
    let groups = by_reason(&results.cases, Status::NotTestable);
    if groups.is_empty() {
        return;
    }
    out.blank();
    out.heading("Not testable, counted as failures");
    for (reason, group) in groups {
        reason_line(out, reason, Status::NotTestable);
        for case in &group {
            let prefix = Prefix {
                text: &format!("    {}", line(&case.id)),
                paint: PLAIN,
                column: 0,
            };
            out.wrapped(&prefix, "", PLAIN);
            out.wrapped(&indented(6), &line(&case.requirement), DIM);
        }
        if let Some(first) = group.first() {
            let label = if group.len() > 1 {
                "Run the first of these cases again"
            } else {
                "Run again"
            };
            labeled(out, 4, 0, label, "");
            out.unwrapped(&indented(4), &line(&first.rerun));
        }
        out.blank();
    }
}

/// Lists the cases that do not apply, grouped by reason.
fn not_applicable(out: &mut TextWriter, results: &Results) {
    let groups = by_reason(&results.cases, Status::NotApplicable);
    if groups.is_empty() {
        return;
    }
    out.blank();
    out.heading("Not applicable");
    for (reason, group) in groups {
        reason_line(out, reason, Status::NotApplicable);
        let ids: Vec<String> = group.iter().map(|case| line(&case.id)).collect();
        out.wrapped(&indented(4), &ids.join(", "), DIM);
    }
}

fn reason_line(out: &mut TextWriter, reason: &str, status: Status) {
    let prefix = Prefix {
        text: &format!("  {}", status.symbol()),
        paint: status.paint(),
        column: 4,
    };
    out.wrapped(&prefix, &line(reason), PLAIN);
}

/// Lists the known failures, and the errors in the baseline.
fn baseline(out: &mut TextWriter, results: &Results) {
    let known: Vec<&CaseResult> = with_status(&results.cases, Status::Known).collect();
    if !known.is_empty() {
        out.blank();
        out.heading("Known failures");
    }
    for case in known {
        let prefix = Prefix {
            text: &format!("  {} {}", Status::Known.symbol(), line(&case.id)),
            paint: DOUBTFUL,
            column: 0,
        };
        out.wrapped(&prefix, &format!("({})", case.outcome.describe()), DIM);
        let reason = case.known.as_deref().unwrap_or_default();
        out.wrapped(&indented(4), &line(reason), PLAIN);
    }
    if !results.baseline.is_empty() {
        out.blank();
        out.heading("Errors in the baseline, counted as failures");
    }
    for entry in &results.baseline {
        let prefix = Prefix {
            text: &format!("  {} {}", Status::Fail.symbol(), line(&entry.case)),
            paint: BAD,
            column: 0,
        };
        out.wrapped(&prefix, "", PLAIN);
        out.wrapped(&indented(4), &line(&entry.problem), PLAIN);
    }
}

fn conclusion(out: &mut TextWriter, results: &Results) {
    out.blank();
    let prefix = Prefix {
        text: &results.conclusion().describe().to_uppercase(),
        paint: run_status(results).paint(),
        column: 0,
    };
    let target = &results.target;
    let text = format!(
        "{}; {}, {}: {}",
        all_counts(results),
        target.profile,
        target.reach.describe(),
        target.address
    );
    out.wrapped(&prefix, &line(&text), PLAIN);
}

fn labeled(out: &mut TextWriter, indent: usize, column: usize, label: &str, value: &str) {
    let prefix = Prefix {
        text: &format!("{:indent$}{label}", ""),
        paint: DIM,
        column,
    };
    out.wrapped(&prefix, value, PLAIN);
}

fn indented(column: usize) -> Prefix<'static> {
    Prefix {
        text: "",
        paint: PLAIN,
        column,
    }
}
