//! What the results mean for the owner of a server: a verdict, the findings by cause, and which clients will
//! connect. Everything follows from the [`Results`].

mod causes;
mod clients;

use std::fmt::Write as _;

pub use self::{
    causes::{Cause, Severity, causes},
    clients::{Client, ClientAnswer, Connects, after_sign_in, clients},
};
use crate::results::{CaseResult, Conclusion, Outcome, Reach, Results};

/// How many causes the verdict names.
pub(crate) const NAMED: usize = 3;

/// What the results mean.
#[derive(Debug)]
pub struct Assessment<'a> {
    /// The verdict.
    pub verdict: Verdict,
    /// New failures and warnings by cause, worst first. Causes with failures precede the others.
    pub groups: Vec<Group<'a>>,
    /// Whether each client will connect. Empty if nothing is known about any of them.
    pub clients: Vec<ClientAnswer>,
}

/// The result of a run in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The verdict: `Not safe to expose`.
    pub title: &'static str,
    /// The reasons, in sentences.
    pub reasons: String,
}

/// The failures and warnings with one cause.
#[derive(Debug)]
pub struct Group<'a> {
    /// The id of the cause, or of the case if its cause is not known.
    pub id: &'a str,
    /// How bad it is.
    pub severity: Severity,
    /// The fault, without a period.
    pub title: &'a str,
    /// Its consequence.
    pub consequence: &'a str,
    /// The usual fix. `None` if the cause is not known.
    pub fix: Option<&'a str>,
    /// The cases that failed.
    pub failed: Vec<&'a CaseResult>,
    /// The cases that warned.
    pub warned: Vec<&'a CaseResult>,
}

impl<'a> Assessment<'a> {
    /// Assesses results.
    pub fn of(results: &'a Results) -> Self {
        let groups = groups(results);
        let mut clients: Vec<ClientAnswer> = clients().iter().map(|client| client.answer(results)).collect();
        if clients.iter().all(|answer| answer.connects == Connects::Unknown) {
            clients.clear();
        }
        Self {
            verdict: verdict(results, &groups),
            groups,
            clients,
        }
    }

    /// Returns the causes of failures.
    pub fn failures(&self) -> impl Iterator<Item = &Group<'a>> {
        self.groups.iter().filter(|group| !group.failed.is_empty())
    }

    /// Returns the causes that only led to warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Group<'a>> {
        self.groups.iter().filter(|group| group.failed.is_empty())
    }
}

impl<'a> Group<'a> {
    fn new(case: &'a CaseResult) -> Self {
        let (failed, warned) = (Vec::new(), Vec::new());
        match Cause::of(case) {
            Some(cause) => Self {
                id: &cause.id,
                severity: cause.severity,
                title: &cause.title,
                consequence: &cause.consequence,
                fix: Some(&cause.fix),
                failed,
                warned,
            },
            None => Self {
                id: &case.id,
                severity: Severity::BreaksARule,
                title: case.requirement.trim_end_matches('.'),
                consequence: &case.why,
                fix: None,
                failed,
                warned,
            },
        }
    }

    /// Returns the cases, failures first.
    pub fn cases(&self) -> impl Iterator<Item = &'a CaseResult> {
        self.failed.iter().chain(&self.warned).copied()
    }
}

fn groups(results: &Results) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for case in &results.cases {
        let is_new = case.known.is_none() && matches!(case.outcome, Outcome::Fail | Outcome::Warn);
        if !is_new {
            continue;
        }
        let group = Group::new(case);
        let index = groups
            .iter()
            .position(|one| one.id == group.id)
            .unwrap_or(groups.len());
        if index == groups.len() {
            groups.push(group);
        }
        if let Some(group) = groups.get_mut(index) {
            if case.outcome == Outcome::Fail {
                group.failed.push(case);
            } else {
                group.warned.push(case);
            }
        }
    }
    // Causes of one severity keep the order of the file.
    let position = |group: &Group<'_>| causes().iter().position(|cause| cause.id == group.id);
    groups.sort_by_key(|group| {
        let position = position(group).unwrap_or(usize::MAX);
        (group.failed.is_empty(), group.severity, position)
    });
    groups
}

fn verdict(results: &Results, groups: &[Group<'_>]) -> Verdict {
    let failures: Vec<&Group<'_>> = groups.iter().filter(|group| !group.failed.is_empty()).collect();
    let of = |title, reasons| Verdict { title, reasons };
    if results.conclusion() == Conclusion::NothingTried {
        return of(
            "Nothing tested",
            "No selected case applies to this target.".to_owned(),
        );
    }
    if let Some(rejection) = &results.good_token_refused {
        let reasons = format!(
            "The target rejected a valid token and accepted none, so rejections of invalid tokens prove nothing. Fix \
             this first: {rejection}"
        );
        return of("Not proven", reasons);
    }
    if let Some(worst) = failures.first() {
        let title = if worst.severity.is_unsafe() {
            "Not safe to expose"
        } else if matches!(worst.severity, Severity::LocksUsersOut | Severity::StopsClients) {
            "Not ready for users"
        } else {
            "Not conformant"
        };
        return of(title, titles(&failures));
    }
    let summary = results.summary();
    if summary.not_testable > 0 {
        let reasons = format!("{} could not be tested.", count(summary.not_testable, "case"));
        return of("Not proven", reasons);
    }
    if !results.baseline.is_empty() {
        return of("Baseline out of date", "Correct the entries below.".to_owned());
    }
    let mut reasons = match results.target.reach {
        Reach::NoToken => "Only what needs no token was tested.".to_owned(),
        Reach::SuppliedTokens | Reach::LocalClerk | Reach::Everything => {
            format!("{} passed.", count(summary.pass, "case"))
        }
    };
    if summary.known > 0 {
        let _ = write!(reasons, " The baseline excuses {}.", count(summary.known, "case"));
    }
    if summary.warn > 0 {
        let _ = write!(reasons, " {} not met.", recommendations(summary.warn));
    }
    of("No failures", reasons)
}

/// Names the first causes, and says how many more there are.
fn titles(groups: &[&Group<'_>]) -> String {
    let named = groups.iter().take(NAMED);
    let mut titles: Vec<String> = named.map(|group| format!("{}.", group.title)).collect();
    match groups.len().saturating_sub(NAMED) {
        0 => {}
        1 => titles.push("1 more cause.".to_owned()),
        more => titles.push(format!("{more} more causes.")),
    }
    titles.join(" ")
}

fn recommendations(number: usize) -> String {
    match number {
        1 => "1 recommendation is".to_owned(),
        many => format!("{many} recommendations are"),
    }
}

fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        many => format!("{many} {noun}s"),
    }
}
