//! Markdown as GitHub reads it, for the summary of a CI job: the outcome, a table of the sections, and what was not
//! met, folded.
//!
//! What a target sent stands in code only, where nothing is markup.

use std::fmt::Write as _;

use super::{
    plain::{Limit, block, line},
    standing::{Standing, all_counts, by_reason, cases, concluded, headline, standing_so},
};
use crate::results::{CaseResult, Results, Summary};

/// Of a finding, or a message of an exchange.
const LIMIT: Limit = Limit {
    lines: 40,
    characters: 2_000,
};
/// GitHub takes a summary of 1 MiB, and drops a larger one whole.
const BYTES: usize = 900_000;

pub(super) fn render(results: &Results) -> String {
    let mut out = String::new();
    let summary = results.summary();
    let _ = write!(
        out,
        "## {} {}: {}\n\n{}\n\n{}, {}. {} {}, {}.\n\n",
        concluded(results).sign(),
        results.conclusion().describe(),
        text(&results.target.profile),
        all_counts(results),
        code(&results.target.address),
        results.target.reach.describe(),
        text(&results.suite.name),
        text(&results.suite.version),
        cases(results.cases.len()),
    );
    if let Some(headline) = headline(results) {
        let _ = write!(out, "**{}** {}\n\n", Standing::Fail.sign(), text(&headline));
    }
    table(&mut out, results, &summary);
    baseline(&mut out, results);
    for (title, standing) in [
        ("Failed", Standing::Fail),
        ("Not testable, which counts as failed", Standing::NotTestable),
        ("Warned", Standing::Warn),
    ] {
        let those: Vec<&CaseResult> = standing_so(&results.cases, standing).collect();
        if those.is_empty() {
            continue;
        }
        let _ = write!(out, "### {title}\n\n");
        for (number, case) in those.iter().enumerate() {
            let details = details(case, standing);
            if out.len() + details.len() > BYTES {
                let left = cases(those.len() - number);
                let _ = write!(
                    out,
                    "There is no room here for {left} more; see the other reports.\n\n"
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

fn table(out: &mut String, results: &Results, all: &Summary) {
    out.push_str("| Section |");
    for standing in Standing::ALL {
        let _ = write!(out, " {} |", standing.plural());
    }
    out.push_str("\n| :-- |");
    for _ in Standing::ALL {
        out.push_str(" --: |");
    }
    out.push('\n');
    let mut row = |title: &str, summary: &Summary| {
        let _ = write!(out, "| {title} |");
        for standing in Standing::ALL {
            match standing.count(summary) {
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

fn details(case: &CaseResult, standing: Standing) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "<details>\n<summary>{} <code>{}</code> {}</summary>\n\n",
        standing.sign(),
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
    let _ = write!(out, "**Again**\n\n{}\n\n</details>\n\n", fenced(&case.rerun));
    out
}

/// Most cases have one step, of which nothing needs to be said.
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
    out.push_str("### Wrong in the baseline, which counts as failed\n\n");
    for complaint in &results.baseline {
        let _ = writeln!(out, "- {}: {}", code(&complaint.case), text(&complaint.problem));
    }
    out.push('\n');
}

fn known(out: &mut String, results: &Results) {
    let known: Vec<&CaseResult> = standing_so(&results.cases, Standing::Known).collect();
    if known.is_empty() {
        return;
    }
    out.push_str("### Known, by the baseline\n\n");
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
    let groups = by_reason(&results.cases, Standing::NotApplicable);
    if groups.is_empty() {
        return;
    }
    out.push_str("### Not applicable\n\n");
    for (reason, those) in groups {
        let ids: Vec<String> = those.iter().map(|case| code(&case.id)).collect();
        let _ = writeln!(out, "- {}: {}", text(reason), ids.join(", "));
    }
    out.push('\n');
}

/// A fenced block, with a fence that its text doesn't have.
fn fenced(body: &str) -> String {
    let body = block(body, LIMIT);
    let fence = "`".repeat(longest_run(&body).max(2) + 1);
    format!("{fence}text\n{body}\n{fence}")
}

/// A code span, with a delimiter that its text doesn't have.
fn code(span: &str) -> String {
    let span = line(span);
    let delimiter = "`".repeat(longest_run(&span) + 1);
    // A delimiter and a backtick must not touch. One blank on either side is taken away again.
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

/// Words, of which none are markup, an entity or an address to link to.
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

/// The same inside an HTML element.
fn html(words: &str) -> String {
    line(words)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The destination of a link.
fn address(url: &str) -> String {
    format!("<{}>", line(url).replace('<', "%3C").replace('>', "%3E"))
}
