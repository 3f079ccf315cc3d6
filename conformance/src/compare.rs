//! What changed between two runs, so that a CI can refuse what makes a server worse and let the rest pass.
//!
//! Only outcomes are compared. What a baseline knows is a failure here like any other, so that a run without one can
//! be compared with a run that has one.

use crate::{
    report::{BAD, DIM, DOUBTFUL, GOOD, Lead, PLAIN, Screen, Style, line},
    results::{CaseResult, Outcome, Results},
};

/// What changed. All by section, and then by id, as in the results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What makes the runs less comparable, in sentences: another suite, another profile, another reach.
    pub notes: Vec<String>,
    /// Cases with a worse outcome than before.
    pub worse: Vec<Change>,
    /// Cases with a better one.
    pub better: Vec<Change>,
    /// Cases that were not tried before, because there were none such or they did not apply.
    pub new: Vec<Change>,
    /// Cases that are not tried any more.
    pub gone: Vec<Change>,
    /// How many cases were tried in both runs, and had the same outcome.
    pub same: usize,
    /// Whether the runs are of different suites, of which the new one may not have a case any more.
    pub other_suite: bool,
}

/// A case whose outcome changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its id.
    pub id: String,
    /// What the target has to do.
    pub requirement: String,
    /// What came of it in the old run; `None` when it was not in it.
    pub old: Option<Outcome>,
    /// What came of it in the new run; `None` when it is not in it.
    pub new: Option<Outcome>,
}

/// Compares two runs.
pub fn compare(old: &Results, new: &Results) -> Comparison {
    let mut comparison = Comparison {
        notes: notes(old, new),
        other_suite: old.suite != new.suite,
        ..Comparison::default()
    };
    for case in &new.cases {
        let before = old.cases.iter().find(|one| one.id == case.id);
        let change = Change::of(case, before.map(|one| one.outcome), Some(case.outcome));
        match (before.and_then(rank), rank(case)) {
            (None, None) => {}
            (None, Some(_)) => comparison.new.push(change),
            (Some(_), None) => comparison.gone.push(change),
            (Some(before), Some(now)) if now > before => comparison.worse.push(change),
            (Some(before), Some(now)) if now < before => comparison.better.push(change),
            (Some(_), Some(_)) => comparison.same += 1,
        }
    }
    let is_gone = |case: &&CaseResult| rank(case).is_some() && new.cases.iter().all(|one| one.id != case.id);
    comparison.gone.extend(
        old.cases
            .iter()
            .filter(is_gone)
            .map(|case| Change::of(case, Some(case.outcome), None)),
    );
    comparison
}

impl Comparison {
    /// Whether something got worse, or is not seen any more. What is new is no regression: it cannot be compared.
    pub fn is_regression(&self) -> bool {
        !self.worse.is_empty() || self.gone.iter().any(|change| self.is_lost(change))
    }

    /// Whether it was as it should be and nobody looks any more, so that it could get worse unseen: by a narrower profile,
    /// less reach or a selection. That another suite has no such case is not the target's doing.
    fn is_lost(&self, gone: &Change) -> bool {
        let was_right = matches!(gone.old, Some(Outcome::Pass | Outcome::Warn));
        was_right && (gone.new.is_some() || !self.other_suite)
    }

    /// The comparison in text, with a line end at its end. `style` is the terminal's.
    pub fn render(&self, style: Style) -> String {
        let mut screen = Screen::new(style);
        for note in &self.notes {
            let lead = Lead {
                text: "Note",
                paint: DOUBTFUL,
                column: 6,
            };
            screen.wrapped(&lead, &line(note), PLAIN);
        }
        for (title, sign, paint, changes) in [
            ("Worse", "✗", BAD, &self.worse),
            ("Better", "✓", GOOD, &self.better),
            ("New", "+", PLAIN, &self.new),
            ("Gone", "–", DOUBTFUL, &self.gone),
        ] {
            if changes.is_empty() {
                continue;
            }
            screen.heading(title);
            for change in changes {
                let lead = Lead {
                    text: &format!("  {sign} {}", line(&change.id)),
                    paint,
                    column: 0,
                };
                screen.wrapped(&lead, &change.describe(), PLAIN);
                let lead = Lead {
                    text: "",
                    paint: PLAIN,
                    column: 4,
                };
                screen.wrapped(&lead, &line(&change.requirement), DIM);
            }
            screen.blank();
        }
        let (word, paint) = if !self.worse.is_empty() {
            ("WORSE", BAD)
        } else if self.is_regression() {
            ("LESS TRIED", BAD)
        } else {
            ("NO REGRESSION", GOOD)
        };
        let lead = Lead {
            text: word,
            paint,
            column: 0,
        };
        let counts = format!(
            "{} worse, {} better, {} new, {} gone, {} the same",
            self.worse.len(),
            self.better.len(),
            self.new.len(),
            self.gone.len(),
            self.same
        );
        screen.wrapped(&lead, &counts, PLAIN);
        screen.finish()
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

    /// `was pass, is fail`.
    fn describe(&self) -> String {
        let words = |outcome: Option<Outcome>| outcome.map_or("not there", Outcome::describe);
        format!("was {}, is {}", words(self.old), words(self.new))
    }
}

/// How bad an outcome is; `None` when it says nothing about the target.
fn rank(case: &CaseResult) -> Option<u8> {
    match case.outcome {
        Outcome::Pass => Some(0),
        Outcome::Warn => Some(1),
        Outcome::NotTestable => Some(2),
        Outcome::Fail => Some(3),
        Outcome::NotApplicable => None,
    }
}

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
            format!("{what} differs: it was {old}, it is {new}. A change below may come from that.")
        })
        .collect()
}
