//! The terminal report: the verdict, the causes of the findings, which clients will connect, and the counts.
//! With `--verbose` also one line per section, and details of each finding.
//!
//! Colors only repeat what words and symbols say.

use std::fmt::Write as _;

use super::{
    Style,
    sanitize::{self, Limit, line},
    status::{Status, all_counts, by_reason, cases, counts, explained, run_status, timing, with_status},
    text_writer::{BAD, BOLD, DIM, DOUBTFUL, PLAIN, Prefix, TextWriter},
};
use crate::{
    assessment::{Assessment, ClientAnswer, Group, NAMED},
    policy::Matrix,
    results::{CaseResult, Finding, Results, Section, Summary},
};

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
/// The limit for a finding in one line.
const EXAMPLE: Limit = Limit {
    lines: 1,
    characters: 100,
};
/// Up to this number of findings, their details are shown in every report.
const FEW: usize = 3;
/// The column where the text of a failure begins.
const INDENT: usize = 5;
/// The column where the text after a label begins.
const VALUES: usize = 16;

pub(super) fn render(results: &Results, style: Style) -> String {
    let mut out = TextWriter::new(style);
    let assessment = Assessment::of(results);
    heading(&mut out, results);
    verdict(&mut out, results, &assessment);
    for (number, group) in assessment.failures().enumerate() {
        cause(&mut out, number + 1, group);
    }
    warnings(&mut out, &assessment);
    clients(&mut out, &assessment.clients, style.verbose);
    if let Some(matrix) = Matrix::of(results) {
        policy(&mut out, &matrix, style.width);
    }
    let findings = assessment.groups.iter().flat_map(Group::cases).count();
    if style.verbose || (1..=FEW).contains(&findings) {
        all_details(&mut out, results, style.verbose);
    }
    not_testable(&mut out, results, style.verbose);
    not_applicable(&mut out, results, style.verbose);
    baseline(&mut out, results);
    conclusion(&mut out, results);
    if !style.verbose && findings > FEW {
        next_step(&mut out, &assessment);
    }
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
    if let Some(timing) = timing(results) {
        labeled(out, 0, 9, "Run", &timing);
    }
}

fn verdict(out: &mut TextWriter, results: &Results, assessment: &Assessment<'_>) {
    out.blank();
    let status = run_status(results);
    let prefix = Prefix {
        text: status.symbol(),
        paint: status.paint(),
        column: 0,
    };
    let verdict = &assessment.verdict;
    out.wrapped(&prefix, &verdict.title.to_uppercase(), status.paint());
    let causes: Vec<&Group<'_>> = assessment.failures().collect();
    if causes.len() < 2 || results.good_token_refused.is_some() {
        out.wrapped(&indented(2), &line(&verdict.reasons), PLAIN);
        return;
    }
    out.wrapped(&indented(2), "Fix these first:", PLAIN);
    for (number, group) in causes.iter().take(NAMED).enumerate() {
        let prefix = Prefix {
            text: &format!("{:>4}", number + 1),
            paint: BAD,
            column: INDENT,
        };
        out.wrapped(&prefix, &title(group), PLAIN);
    }
    match causes.len().saturating_sub(NAMED) {
        0 => {}
        1 => out.wrapped(&indented(2), "1 more cause is below.", PLAIN),
        more => out.wrapped(&indented(2), &format!("{more} more causes are below."), PLAIN),
    }
}

/// Names a cause, with its severity.
fn title(group: &Group<'_>) -> String {
    line(&format!("{} ({})", group.title, group.severity.describe()))
}

/// Writes a cause of failures, with the cases that failed and warned because of it.
fn cause(out: &mut TextWriter, number: usize, group: &Group<'_>) {
    out.blank();
    let prefix = Prefix {
        text: &format!("{number:>2} {}", Status::Fail.symbol()),
        paint: BAD,
        column: INDENT,
    };
    out.wrapped(&prefix, &title(group), BOLD);
    out.wrapped(&indented(INDENT), &line(group.consequence), PLAIN);
    if let Some(fix) = group.fix {
        labeled(out, INDENT, VALUES, "Fix", &line(fix));
    }
    if let Some((case, finding)) = group
        .failed
        .iter()
        .find_map(|case| Some((case, case.findings.first()?)))
    {
        let example = format!("{}: {}", case.id, difference(finding));
        labeled(out, INDENT, VALUES, "Example", &line(&example));
    }
    for (status, all) in [(Status::Fail, &group.failed), (Status::Warn, &group.warned)] {
        if !all.is_empty() {
            let label = format!("{} {}", all.len(), status.plural());
            labeled(out, INDENT, VALUES, &label, &ids(all));
        }
    }
}

/// Describes a finding in one line.
fn difference(finding: &Finding) -> String {
    let short = |text: &str| {
        let whole = line(text);
        let shown = sanitize::block(&whole, EXAMPLE);
        match shown.split_once('\n') {
            Some((shown, _)) => format!("{shown}…"),
            None => shown,
        }
    };
    format!(
        "expected {}, got {}",
        short(&finding.expected),
        short(&finding.actual)
    )
}

fn ids(cases: &[&CaseResult]) -> String {
    let ids: Vec<String> = cases.iter().map(|case| line(&case.id)).collect();
    ids.join(", ")
}

/// Lists the causes that only led to warnings.
fn warnings(out: &mut TextWriter, assessment: &Assessment<'_>) {
    let mut groups = assessment.warnings().peekable();
    if groups.peek().is_none() {
        return;
    }
    out.blank();
    out.heading("Warnings: recommendations that are not met");
    for group in groups {
        let prefix = Prefix {
            text: &format!("  {}", Status::Warn.symbol()),
            paint: DOUBTFUL,
            column: 4,
        };
        out.wrapped(&prefix, &line(group.title), PLAIN);
        out.wrapped(&indented(4), &ids(&group.warned), DIM);
    }
}

fn clients(out: &mut TextWriter, answers: &[ClientAnswer], verbose: bool) {
    if answers.is_empty() {
        return;
    }
    out.blank();
    out.heading("Will these clients connect?");
    for ClientAnswer {
        client,
        connects,
        because,
    } in answers
    {
        let status = Status::of_client(*connects);
        let prefix = Prefix {
            text: &format!("  {} {}", status.symbol(), client.name),
            paint: status.paint(),
            column: 20,
        };
        out.wrapped(&prefix, &line(&explained(*connects, because)), PLAIN);
        if verbose {
            out.wrapped(&indented(20), &client.rule, DIM);
            out.unwrapped(&indented(20), &client.source);
        }
    }
}

/// Writes the matrix of the policy, as several tables if it is wider than the terminal.
fn policy(out: &mut TextWriter, matrix: &Matrix<'_>, width: usize) {
    /// The width of a cell such as `✗ allowed`, and of the space between two columns.
    const CELL: usize = 9;
    const SPACE: usize = 2;
    let length = |text: &str| text.chars().count();
    let identities = matrix.rows.iter().map(|row| length(row.identity));
    let first = SPACE + identities.max().unwrap_or_default();
    let widths: Vec<usize> = matrix
        .tools
        .iter()
        .map(|tool| SPACE + length(tool).max(CELL))
        .collect();
    let mut start = 0;
    while start < widths.len() {
        let mut room = width.saturating_sub(first);
        let fitting = widths.iter().skip(start).take_while(|column| {
            let fits = **column <= room;
            room = room.saturating_sub(**column);
            fits
        });
        let columns = start..start + fitting.count().max(1);
        out.blank();
        if start == 0 {
            out.heading("Your policy, with ✓ for each call that ended as it says");
        }
        let mut table_row = |name: &str, cell: &dyn Fn(usize) -> String| {
            let name_width = first - SPACE;
            let mut text = format!("{:SPACE$}{name:name_width$}", "");
            for column in columns.clone() {
                let cell_width = widths.get(column).map_or(CELL, |width| width - SPACE);
                let _ = write!(text, "{:SPACE$}{:cell_width$}", "", cell(column));
            }
            out.unwrapped(&indented(0), &line(text.trim_end()));
        };
        table_row("", &|column| {
            matrix.tools.get(column).copied().unwrap_or_default().to_owned()
        });
        for row in &matrix.rows {
            table_row(row.identity, &|column| match row.cells.get(column) {
                Some(Some((cell, case))) => format!("{} {}", Status::of(case).symbol(), cell.describe()),
                Some(None) | None => String::new(),
            });
        }
        start = columns.end;
    }
}

/// Writes one line per section if `verbose`, and the details of each finding.
fn all_details(out: &mut TextWriter, results: &Results, verbose: bool) {
    out.blank();
    for (section, all) in results.sections() {
        if verbose {
            section_line(out, section, &Summary::of(all));
        }
        for status in [Status::Fail, Status::Warn] {
            for case in with_status(all, status) {
                details(out, case, status);
            }
        }
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

/// Lists the cases that could not be tested, grouped by reason, with the command that reruns the first of
/// each group.
fn not_testable(out: &mut TextWriter, results: &Results, verbose: bool) {
    let groups = by_reason(&results.cases, Status::NotTestable);
    if groups.is_empty() {
        return;
    }
    out.blank();
    out.heading("Not testable, counted as failures");
    for (reason, group) in groups {
        reason_line(out, reason, Status::NotTestable);
        if verbose {
            for case in &group {
                out.wrapped(&indented(4), &line(&case.id), PLAIN);
                out.wrapped(&indented(6), &line(&case.requirement), DIM);
            }
        } else {
            out.wrapped(&indented(4), &ids(&group), DIM);
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

/// Counts the cases that do not apply by reason. Lists them if `verbose`.
fn not_applicable(out: &mut TextWriter, results: &Results, verbose: bool) {
    let groups = by_reason(&results.cases, Status::NotApplicable);
    if groups.is_empty() {
        return;
    }
    out.blank();
    out.heading("Not applicable");
    for (reason, group) in groups {
        let reason = format!("{}: {reason}", cases(group.len()));
        reason_line(out, &reason, Status::NotApplicable);
        if verbose {
            out.wrapped(&indented(4), &ids(&group), DIM);
        }
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

/// Says how to see the details of the first failure, or else of the first warning.
fn next_step(out: &mut TextWriter, assessment: &Assessment<'_>) {
    if let Some(case) = assessment.groups.iter().flat_map(Group::cases).next() {
        out.blank();
        out.wrapped(
            &indented(0),
            "Add --verbose for all details, or run one case:",
            PLAIN,
        );
        out.unwrapped(&indented(0), &line(&case.rerun));
    }
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
