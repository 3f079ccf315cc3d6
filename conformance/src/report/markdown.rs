//! The Markdown report, for GitHub job summaries: the verdict, the causes, which clients will connect, a
//! table of the sections, and collapsed findings.
//!
//! Text from a target appears only in code spans and code blocks, where it cannot act as markup.

use std::fmt::Write as _;

use super::{
    sanitize::{Limit, block, html, line},
    status::{Status, all_counts, by_reason, cases, explained, run_status, timing, with_status},
};
use crate::{
    assessment::{Assessment, ClientAnswer},
    policy::Matrix,
    results::{CaseResult, Results, Summary},
};

/// The limit for an expected or actual answer, and for a request or response.
const LIMIT: Limit = Limit {
    lines: 40,
    characters: 2_000,
};
/// The maximum size. GitHub discards a job summary of more than 1 MiB.
const BYTES: usize = 900_000;

pub(super) fn render(results: &Results) -> String {
    let mut out = String::new();
    let summary = results.summary();
    let assessment = Assessment::of(results);
    let _ = write!(
        out,
        "## {} {}: {}\n\n{}\n\n{}\n\n{}, {}. {} {}, {}.{}\n\n",
        run_status(results).symbol(),
        assessment.verdict.title,
        text(&results.target.profile),
        text(&assessment.verdict.reasons),
        all_counts(results),
        code(&results.target.address),
        results.target.reach.describe(),
        text(&results.suite.name),
        text(&results.suite.version),
        cases(results.cases.len()),
        timing(results)
            .map(|timing| format!(" {timing}."))
            .unwrap_or_default(),
    );
    causes(&mut out, &assessment);
    clients(&mut out, &assessment.clients);
    if let Some(matrix) = Matrix::of(results) {
        policy(&mut out, &matrix);
    }
    table(&mut out, results, &summary);
    baseline(&mut out, results);
    for (title, status) in [
        ("Failed", Status::Fail),
        ("Not testable, counted as failures", Status::NotTestable),
        ("Warnings", Status::Warn),
    ] {
        let found: Vec<&CaseResult> = with_status(&results.cases, status).collect();
        if found.is_empty() {
            continue;
        }
        let _ = write!(out, "### {title}\n\n");
        for (number, case) in found.iter().enumerate() {
            let details = details(case, status);
            if out.len() + details.len() > BYTES {
                let left = cases(found.len() - number);
                let _ = write!(
                    out,
                    "{left} left out to keep this report below GitHub's size limit. Use another format to see all.\n\n"
                );
                break;
            }
            out.push_str(&details);
        }
    }
    known(&mut out, results);
    not_applicable(&mut out, results);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// Lists the causes of failures, and then those that only led to warnings.
fn causes(out: &mut String, assessment: &Assessment<'_>) {
    for (number, group) in assessment.failures().enumerate() {
        let _ = write!(
            out,
            "{}. **{}** ({}). {}",
            number + 1,
            prose(group.title),
            group.severity.describe(),
            prose(group.consequence)
        );
        if let Some(fix) = group.fix {
            let _ = write!(out, " *Fix:* {}", prose(fix));
        }
        let _ = write!(out, " *Failed:* {}.", ids(&group.failed));
        if !group.warned.is_empty() {
            let _ = write!(out, " *Warned:* {}.", ids(&group.warned));
        }
        out.push('\n');
    }
    if assessment.failures().next().is_some() {
        out.push('\n');
    }
    for group in assessment.warnings() {
        let _ = writeln!(out, "- {}: {}", prose(group.title), ids(&group.warned));
    }
    if assessment.warnings().next().is_some() {
        out.push('\n');
    }
}

fn ids(cases: &[&CaseResult]) -> String {
    let ids: Vec<String> = cases.iter().map(|case| code(&case.id)).collect();
    ids.join(", ")
}

fn clients(out: &mut String, answers: &[ClientAnswer]) {
    if answers.is_empty() {
        return;
    }
    out.push_str("| Will these clients connect? | | Rule |\n| :-- | :-- | :-- |\n");
    for ClientAnswer {
        client,
        connects,
        because,
    } in answers
    {
        let _ = writeln!(
            out,
            "| {} | {} {} | [{}]({}) |",
            text(&client.name),
            Status::of_client(*connects).symbol(),
            text(&explained(*connects, because)),
            prose(&client.rule),
            address(&client.source)
        );
    }
    out.push('\n');
}

fn policy(out: &mut String, matrix: &Matrix<'_>) {
    out.push_str("| Your policy |");
    for tool in &matrix.tools {
        let _ = write!(out, " {} |", code(tool));
    }
    out.push_str("\n| :-- |");
    for _ in &matrix.tools {
        out.push_str(" :-- |");
    }
    out.push('\n');
    for row in &matrix.rows {
        let _ = write!(out, "| {} |", text(row.identity));
        for cell in &row.cells {
            let _ = match cell {
                Some((cell, case)) => write!(out, " {} {} |", Status::of(case).symbol(), cell.describe()),
                None => write!(out, "  |"),
            };
        }
        out.push('\n');
    }
    out.push('\n');
}

fn table(out: &mut String, results: &Results, all: &Summary) {
    out.push_str("| Section |");
    for status in Status::ALL {
        let _ = write!(out, " {} |", status.plural());
    }
    out.push_str("\n| :-- |");
    for _ in Status::ALL {
        out.push_str(" --: |");
    }
    out.push('\n');
    let mut row = |title: &str, summary: &Summary| {
        let _ = write!(out, "| {title} |");
        for status in Status::ALL {
            match status.count(summary) {
                0 => out.push_str("  |"),
                count => {
                    let _ = write!(out, " {count} |");
                }
            }
        }
        out.push('\n');
    };
    for (section, cases) in results.sections() {
        row(
            &format!("{} {}", section.number, text(&section.title)),
            &Summary::of(cases),
        );
    }
    row("**All**", all);
    out.push('\n');
}

fn details(case: &CaseResult, status: Status) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "<details>\n<summary>{} <code>{}</code> {}</summary>\n\n",
        status.symbol(),
        html(&case.id),
        html(&case.requirement)
    );
    let _ = write!(out, "**Why** ({}): {}\n\n", case.level.name(), text(&case.why));
    for reference in &case.references {
        let _ = match &reference.url {
            Some(url) => writeln!(out, "- [{}]({})", text(&reference.title), address(url)),
            None => writeln!(out, "- {}", text(&reference.title)),
        };
    }
    out.push('\n');
    if let Some(reason) = &case.reason {
        let _ = write!(out, "**Reason**\n\n{}\n\n", fenced(reason));
    }
    for finding in &case.findings {
        let _ = write!(
            out,
            "**Expected**{}\n\n{}\n\n**Actual**\n\n{}\n\n",
            in_step(finding.step),
            fenced(&finding.expected),
            fenced(&finding.actual)
        );
    }
    if let Some(exchange) = &case.exchange {
        let _ = write!(
            out,
            "**Request**{}\n\n{}\n\n**Response**\n\n{}\n\n",
            in_step(exchange.step),
            fenced(&exchange.request),
            fenced(&exchange.response)
        );
    }
    let _ = write!(out, "**Run again**\n\n{}\n\n</details>\n\n", fenced(&case.rerun));
    out
}

/// Names the step, unless it is the first. Most cases have only one step.
fn in_step(step: usize) -> String {
    if step > 1 {
        format!(" in step {step}")
    } else {
        String::new()
    }
}

fn baseline(out: &mut String, results: &Results) {
    if results.baseline.is_empty() {
        return;
    }
    out.push_str("### Errors in the baseline, counted as failures\n\n");
    for entry in &results.baseline {
        let _ = writeln!(out, "- {}: {}", code(&entry.case), text(&entry.problem));
    }
    out.push('\n');
}

fn known(out: &mut String, results: &Results) {
    let known: Vec<&CaseResult> = with_status(&results.cases, Status::Known).collect();
    if known.is_empty() {
        return;
    }
    out.push_str("### Known failures\n\n");
    for case in known {
        let reason = case.known.as_deref().unwrap_or_default();
        let _ = writeln!(
            out,
            "- {} ({}): {}",
            code(&case.id),
            case.outcome.describe(),
            text(reason)
        );
    }
    out.push('\n');
}

fn not_applicable(out: &mut String, results: &Results) {
    let groups = by_reason(&results.cases, Status::NotApplicable);
    if groups.is_empty() {
        return;
    }
    out.push_str("### Not applicable\n\n");
    for (reason, group) in groups {
        let _ = writeln!(
            out,
            "<details>\n<summary>{}: {}</summary>\n\n{}\n\n</details>\n",
            cases(group.len()),
            html(reason),
            ids(&group)
        );
    }
    out.push('\n');
}

/// Returns a fenced code block. The fence is longer than any run of backticks in the text.
fn fenced(body: &str) -> String {
    let body = block(body, LIMIT);
    let fence = "`".repeat(longest_run(&body).max(2) + 1);
    format!("{fence}text\n{body}\n{fence}")
}

/// Returns a code span. The delimiter is longer than any run of backticks in the text.
fn code(span: &str) -> String {
    let span = line(span);
    let delimiter = "`".repeat(longest_run(&span) + 1);
    // Separates the delimiter from a backtick in the text. Renderers remove one space on each side.
    let blank = if span.starts_with('`') || span.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{delimiter}{blank}{span}{blank}{delimiter}")
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0)
}

/// Returns a text of the suite. Text between backticks becomes code.
fn prose(words: &str) -> String {
    let parts = words.split('`').enumerate();
    parts
        .map(|(number, part)| if number % 2 == 0 { text(part) } else { code(part) })
        .collect()
}

/// Escapes text so that it contains no markup, no entity, and no URL that GitHub turns into a link.
fn text(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for character in line(words).chars() {
        if "\\`*_[]<>&|~#!@$".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out.replace(":/", "\\:/").replace("www.", "www\\.")
}

/// Returns a URL as the destination of a link.
fn address(url: &str) -> String {
    format!("<{}>", line(url).replace('<', "%3C").replace('>', "%3E"))
}
