//! The terminal: a line for each section, everything about what failed, and at the end all of it again in short.
//!
//! Colours repeat what words and signs say; without them nothing is lost.

use super::{
    Style,
    plain::{self, Limit, line},
    screen::{BAD, BOLD, DIM, DOUBTFUL, Lead, PLAIN, Screen},
    standing::{Standing, all_counts, by_reason, cases, concluded, counts, headline, standing_so},
};
use crate::results::{CaseResult, Results, Section, Summary};

/// A message of an exchange is shown up to here; JSON and HTML have more.
const MESSAGE: Limit = Limit {
    lines: 20,
    characters: 1_200,
};
/// The same for what was due and what came.
const FINDING: Limit = Limit {
    lines: 8,
    characters: 600,
};
/// Where the text of a failure begins, and where it begins behind its labels.
const INDENT: usize = 5;
const VALUES: usize = 16;

pub(super) fn render(results: &Results, style: Style) -> String {
    let mut screen = Screen::new(style);
    heading(&mut screen, results);
    for (section, all) in results.sections() {
        section_line(&mut screen, section, &Summary::of(all));
        for standing in [Standing::Fail, Standing::Warn] {
            for case in standing_so(all, standing) {
                details(&mut screen, case, standing);
            }
        }
    }
    again(&mut screen, "Failed", &results.cases, Standing::Fail);
    again(&mut screen, "Warned", &results.cases, Standing::Warn);
    not_testable(&mut screen, results);
    not_applicable(&mut screen, results);
    baseline(&mut screen, results);
    conclusion(&mut screen, results);
    screen.finish()
}

fn heading(screen: &mut Screen, results: &Results) {
    let suite = &results.suite;
    screen.heading(&line(&format!("{} {}", suite.name, suite.version)));
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
        labelled(screen, 0, 9, label, &line(value));
    }
    screen.blank();
    if let Some(headline) = headline(results) {
        let lead = Lead {
            text: Standing::Fail.sign(),
            paint: BAD,
            column: 0,
        };
        screen.wrapped(&lead, &line(&headline), BAD);
        screen.blank();
    }
}

fn section_line(screen: &mut Screen, section: &Section, summary: &Summary) {
    let standing = Standing::worst(summary).unwrap_or(Standing::NotApplicable);
    let lead = Lead {
        text: &format!(
            "{} {:>2} {}",
            standing.sign(),
            section.number,
            line(&section.title)
        ),
        paint: standing.paint(),
        column: 42,
    };
    screen.wrapped(&lead, &counts(summary), PLAIN);
}

/// All there is to say of a case that was not met.
fn details(screen: &mut Screen, case: &CaseResult, standing: Standing) {
    screen.blank();
    let lead = Lead {
        text: &format!(
            "   {} {} {}",
            standing.sign(),
            standing.word().to_uppercase(),
            line(&case.id)
        ),
        paint: standing.paint(),
        column: 0,
    };
    screen.wrapped(&lead, &format!("({})", case.level.name()), DIM);
    let lead = indented(INDENT);
    screen.wrapped(&lead, &line(&case.requirement), BOLD);
    labelled(screen, INDENT, VALUES, "Why", &line(&case.why));
    for (number, reference) in case.references.iter().enumerate() {
        let label = if number == 0 { "Reference" } else { "" };
        labelled(screen, INDENT, VALUES, label, &line(&reference.title));
        if let Some(url) = &reference.url {
            screen.whole(&indented(VALUES), &line(url));
        }
    }
    // Most cases have one step, of which nothing needs to be said.
    let mut step = 1;
    let mut go_on = |screen: &mut Screen, next: usize| {
        if next != step {
            labelled(screen, INDENT, VALUES, "Step", &next.to_string());
            step = next;
        }
    };
    for finding in &case.findings {
        go_on(screen, finding.step);
        message(screen, "Expected", "", &plain::block(&finding.expected, FINDING));
        message(screen, "Actual", "", &plain::block(&finding.actual, FINDING));
    }
    if let Some(exchange) = &case.exchange {
        go_on(screen, exchange.step);
        message(screen, "Request", "> ", &plain::block(&exchange.request, MESSAGE));
        message(
            screen,
            "Response",
            "< ",
            &plain::block(&exchange.response, MESSAGE),
        );
    }
    // On a line of its own, where it is easily copied.
    labelled(screen, INDENT, VALUES, "Again", "");
    screen.whole(&indented(INDENT), &line(&case.rerun));
    screen.blank();
}

/// A text of several lines behind a label, each line with a mark in front.
fn message(screen: &mut Screen, label: &str, mark: &str, text: &str) {
    let label = format!("{:INDENT$}{label}", "");
    for (number, part) in text.split('\n').enumerate() {
        let first = if number == 0 { label.as_str() } else { "" };
        let lead = Lead {
            text: &format!("{first:VALUES$}{mark}"),
            paint: DIM,
            column: VALUES + mark.len(),
        };
        screen.marked(&lead, part);
    }
}

/// What stands so, one line for each with what it requires.
fn again(screen: &mut Screen, title: &str, all: &[CaseResult], standing: Standing) {
    let mut those = standing_so(all, standing).peekable();
    if those.peek().is_none() {
        return;
    }
    screen.blank();
    screen.heading(title);
    for case in those {
        let lead = Lead {
            text: &format!("  {} {}", standing.sign(), line(&case.id)),
            paint: standing.paint(),
            column: 0,
        };
        screen.wrapped(&lead, "", PLAIN);
        screen.wrapped(&indented(4), &line(&case.requirement), PLAIN);
    }
}

/// What could not be tried, by its reason, and how to see it again: one case of a reason will do for that.
fn not_testable(screen: &mut Screen, results: &Results) {
    let groups = by_reason(&results.cases, Standing::NotTestable);
    if groups.is_empty() {
        return;
    }
    screen.blank();
    screen.heading("Not testable, which counts as failed");
    for (reason, those) in groups {
        because(screen, reason, Standing::NotTestable);
        for case in &those {
            let lead = Lead {
                text: &format!("    {}", line(&case.id)),
                paint: PLAIN,
                column: 0,
            };
            screen.wrapped(&lead, "", PLAIN);
            screen.wrapped(&indented(6), &line(&case.requirement), DIM);
        }
        if let Some(first) = those.first() {
            let label = if those.len() > 1 {
                "Again, the first of them"
            } else {
                "Again"
            };
            labelled(screen, 4, 0, label, "");
            screen.whole(&indented(4), &line(&first.rerun));
        }
        screen.blank();
    }
}

/// What does not apply, by its reason.
fn not_applicable(screen: &mut Screen, results: &Results) {
    let groups = by_reason(&results.cases, Standing::NotApplicable);
    if groups.is_empty() {
        return;
    }
    screen.blank();
    screen.heading("Not applicable");
    for (reason, those) in groups {
        because(screen, reason, Standing::NotApplicable);
        let ids: Vec<String> = those.iter().map(|case| line(&case.id)).collect();
        screen.wrapped(&indented(4), &ids.join(", "), DIM);
    }
}

fn because(screen: &mut Screen, reason: &str, standing: Standing) {
    let lead = Lead {
        text: &format!("  {}", standing.sign()),
        paint: standing.paint(),
        column: 4,
    };
    screen.wrapped(&lead, &line(reason), PLAIN);
}

/// What the baseline knows, and what is wrong with it.
fn baseline(screen: &mut Screen, results: &Results) {
    let known: Vec<&CaseResult> = standing_so(&results.cases, Standing::Known).collect();
    if !known.is_empty() {
        screen.blank();
        screen.heading("Known, by the baseline");
    }
    for case in known {
        let lead = Lead {
            text: &format!("  {} {}", Standing::Known.sign(), line(&case.id)),
            paint: DOUBTFUL,
            column: 0,
        };
        screen.wrapped(&lead, &format!("({})", case.outcome.describe()), DIM);
        let reason = case.known.as_deref().unwrap_or_default();
        screen.wrapped(&indented(4), &line(reason), PLAIN);
    }
    if !results.baseline.is_empty() {
        screen.blank();
        screen.heading("Wrong in the baseline, which counts as failed");
    }
    for complaint in &results.baseline {
        let lead = Lead {
            text: &format!("  {} {}", Standing::Fail.sign(), line(&complaint.case)),
            paint: BAD,
            column: 0,
        };
        screen.wrapped(&lead, "", PLAIN);
        screen.wrapped(&indented(4), &line(&complaint.problem), PLAIN);
    }
}

fn conclusion(screen: &mut Screen, results: &Results) {
    screen.blank();
    let lead = Lead {
        text: &results.conclusion().describe().to_uppercase(),
        paint: concluded(results).paint(),
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
    screen.wrapped(&lead, &line(&text), PLAIN);
}

fn labelled(screen: &mut Screen, indent: usize, column: usize, label: &str, value: &str) {
    let lead = Lead {
        text: &format!("{:indent$}{label}", ""),
        paint: DIM,
        column,
    };
    screen.wrapped(&lead, value, PLAIN);
}

fn indented(column: usize) -> Lead<'static> {
    Lead {
        text: "",
        paint: PLAIN,
        column,
    }
}
