//! Compares two runs, so that CI can reject a change that makes a server worse.
//!
//! Only outcomes are compared. A known failure counts as a failure here, so that runs with and without a
//! baseline are comparable.

use crate::{
    report::{BAD, DIM, DOUBTFUL, GOOD, PLAIN, Prefix, Style, TextWriter, line},
    results::{CaseResult, Outcome, Results},
};

/// The differences between two runs. Changes have the order of the results: by section, then by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Sentences about differences that make the runs less comparable: another suite, profile or reach.
    pub notes: Vec<String>,
    /// Cases with a worse outcome than before.
    pub worse: Vec<Change>,
    /// Cases with a better outcome than before.
    pub better: Vec<Change>,
    /// Cases that were not tested before: they did not exist or did not apply.
    pub new: Vec<Change>,
    /// Cases that are no longer tested.
    pub no_longer_tested: Vec<Change>,
    /// How many cases had the same outcome in both runs.
    pub unchanged: usize,
    /// Whether the runs used different suites. The newer suite may have fewer cases.
    pub suite_differs: bool,
}

/// A case whose outcome differs between the runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The id of the case.
    pub id: String,
    /// The requirement of the case.
    pub requirement: String,
    /// The outcome in the old run, or `None` if the case was not part of it.
    pub old: Option<Outcome>,
    /// The outcome in the new run, or `None` if the case is not part of it.
    pub new: Option<Outcome>,
}

/// Compares two runs.
pub fn compare(old: &Results, new: &Results) -> Comparison {
    let mut comparison = Comparison {
        notes: notes(old, new),
        suite_differs: old.suite != new.suite,
        ..Comparison::default()
    };
    for case in &new.cases {
        let before = old.cases.iter().find(|one| one.id == case.id);
        let change = Change::of(case, before.map(|one| one.outcome), Some(case.outcome));
        match (before.and_then(rank), rank(case)) {
            (None, None) => {}
            (None, Some(_)) => comparison.new.push(change),
            (Some(_), None) => comparison.no_longer_tested.push(change),
            (Some(before), Some(now)) if now > before => comparison.worse.push(change),
            (Some(before), Some(now)) if now < before => comparison.better.push(change),
            (Some(_), Some(_)) => comparison.unchanged += 1,
        }
    }
    let is_missing =
        |case: &&CaseResult| rank(case).is_some() && new.cases.iter().all(|one| one.id != case.id);
    comparison.no_longer_tested.extend(
        old.cases
            .iter()
            .filter(is_missing)
            .map(|case| Change::of(case, Some(case.outcome), None)),
    );
    comparison
}

impl Comparison {
    /// Returns whether a case got worse, or a case that passed is no longer tested. A new case is not a
    /// regression, because there is nothing to compare it with.
    pub fn is_regression(&self) -> bool {
        !self.worse.is_empty() || self.no_longer_tested.iter().any(|change| self.is_lost(change))
    }

    /// Returns whether a case passed before and is no longer tested because of a narrower profile, less reach
    /// or a selection, so that a regression would go unnoticed. A case that another suite does not have is
    /// not counted.
    fn is_lost(&self, change: &Change) -> bool {
        let passed = matches!(change.old, Some(Outcome::Pass | Outcome::Warn));
        passed && (change.new.is_some() || !self.suite_differs)
    }

    /// Renders the comparison as text that ends with a newline.
    pub fn render(&self, style: Style) -> String {
        let mut out = TextWriter::new(style);
        for note in &self.notes {
            let prefix = Prefix {
                text: "Note",
                paint: DOUBTFUL,
                column: 6,
            };
            out.wrapped(&prefix, &line(note), PLAIN);
        }
        for (title, symbol, paint, changes) in [
            ("Worse", "✗", BAD, &self.worse),
            ("Better", "✓", GOOD, &self.better),
            ("New", "+", PLAIN, &self.new),
            ("No longer tested", "–", DOUBTFUL, &self.no_longer_tested),
        ] {
            if changes.is_empty() {
                continue;
            }
            out.heading(title);
            for change in changes {
                let prefix = Prefix {
                    text: &format!("  {symbol} {}", line(&change.id)),
                    paint,
                    column: 0,
                };
                out.wrapped(&prefix, &change.describe(), PLAIN);
                let prefix = Prefix {
                    text: "",
                    paint: PLAIN,
                    column: 4,
                };
                out.wrapped(&prefix, &line(&change.requirement), DIM);
            }
            out.blank();
        }
        let (word, paint) = if !self.worse.is_empty() {
            ("WORSE", BAD)
        } else if self.is_regression() {
            ("FEWER CASES TESTED", BAD)
        } else {
            ("NO REGRESSION", GOOD)
        };
        let prefix = Prefix {
            text: word,
            paint,
            column: 0,
        };
        let counts = format!(
            "{} worse, {} better, {} new, {} no longer tested, {} unchanged",
            self.worse.len(),
            self.better.len(),
            self.new.len(),
            self.no_longer_tested.len(),
            self.unchanged
        );
        out.wrapped(&prefix, &counts, PLAIN);
        out.finish()
    }
}

impl Change {
    fn of(case: &CaseResult, old: Option<Outcome>, new: Option<Outcome>) -> Self {
        Self {
            id: case.id.clone(),
            requirement: case.requirement.clone(),
            old,
            new,
        }
    }

    /// Describes the change: `was pass, is fail`.
    fn describe(&self) -> String {
        let words = |outcome: Option<Outcome>| outcome.map_or("not in the run", Outcome::describe);
        format!("was {}, is {}", words(self.old), words(self.new))
    }
}

/// Returns how bad an outcome is, or `None` if it says nothing about the target.
fn rank(case: &CaseResult) -> Option<u8> {
    match case.outcome {
        Outcome::Pass => Some(0),
        Outcome::Warn => Some(1),
        Outcome::NotTestable => Some(2),
        Outcome::Fail => Some(3),
        Outcome::NotApplicable => None,
    }
}

/// Describes the differences that make the runs less comparable.
fn notes(old: &Results, new: &Results) -> Vec<String> {
    let suite = |results: &Results| format!("{} {}", results.suite.name, results.suite.version);
    let pairs = [
        ("The suite", suite(old), suite(new)),
        (
            "The profile",
            old.target.profile.clone(),
            new.target.profile.clone(),
        ),
        (
            "The reach",
            old.target.reach.describe().to_owned(),
            new.target.reach.describe().to_owned(),
        ),
    ];
    pairs
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(what, old, new)| {
            format!("{what} differs: it was {old}, it is {new}. This may explain changes below.")
        })
        .collect()
}
