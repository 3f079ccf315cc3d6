//! The status of a case as reports show it, with the words and symbols that all formats share.

use crate::{
    assessment::Connects,
    results::{CaseResult, Conclusion, Outcome, Results, Summary, Timing},
};

/// The outcome of a case, in which a failure that the baseline lists is a status of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Fail,
    NotTestable,
    Warn,
    Known,
    Pass,
    NotApplicable,
}

impl Status {
    /// All statuses, worst first.
    pub(super) const ALL: [Self; 6] = [
        Self::Fail,
        Self::NotTestable,
        Self::Warn,
        Self::Known,
        Self::Pass,
        Self::NotApplicable,
    ];

    /// Returns the status of a case.
    pub(super) fn of(case: &CaseResult) -> Self {
        match case.outcome {
            Outcome::Pass => Self::Pass,
            Outcome::NotApplicable => Self::NotApplicable,
            Outcome::Warn | Outcome::Fail | Outcome::NotTestable if case.known.is_some() => Self::Known,
            Outcome::Warn => Self::Warn,
            Outcome::Fail => Self::Fail,
            Outcome::NotTestable => Self::NotTestable,
        }
    }

    /// Returns the status whose symbol and color represent whether a client can connect.
    pub(super) fn of_client(connects: Connects) -> Self {
        match connects {
            Connects::Yes => Self::Pass,
            Connects::No => Self::Fail,
            Connects::SignsIn | Connects::Unknown => Self::NotApplicable,
        }
    }

    /// Returns the worst status in a summary, or `None` if it counts no cases.
    pub(super) fn worst(summary: &Summary) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.count(summary) > 0)
    }

    /// Returns a symbol of one character, to show next to a word.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Fail => "✗",
            Self::NotTestable => "?",
            Self::Warn => "!",
            Self::Known => "~",
            Self::Pass => "✓",
            Self::NotApplicable => "–",
        }
    }

    /// Returns the word for one case: `fail`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::NotTestable => "not testable",
            Self::Warn => "warn",
            Self::Known => "known",
            Self::Pass => "pass",
            Self::NotApplicable => "not applicable",
        }
    }

    /// Returns the word after a count: `failed`.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Fail => "failed",
            Self::NotTestable => "not testable",
            Self::Warn => "warned",
            Self::Known => "known",
            Self::Pass => "passed",
            Self::NotApplicable => "not applicable",
        }
    }

    /// Returns the class in HTML.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::NotTestable => "not-testable",
            Self::NotApplicable => "not-applicable",
            Self::Fail | Self::Warn | Self::Known | Self::Pass => self.word(),
        }
    }

    /// Returns the number of cases with this status.
    pub(super) fn count(self, summary: &Summary) -> usize {
        match self {
            Self::Fail => summary.fail,
            Self::NotTestable => summary.not_testable,
            Self::Warn => summary.warn,
            Self::Known => summary.known,
            Self::Pass => summary.pass,
            Self::NotApplicable => summary.not_applicable,
        }
    }
}

/// Returns the status whose symbol and color represent the conclusion of the run.
pub(super) fn run_status(results: &Results) -> Status {
    match results.conclusion() {
        Conclusion::Clean if results.good_token_refused.is_none() => Status::Pass,
        Conclusion::Clean | Conclusion::Findings | Conclusion::NothingTried => Status::Fail,
    }
}

/// Returns when the run was, and how long it took: `2026-11-27 10:30 UTC, 41 s`.
pub(super) fn timing(results: &Results) -> Option<String> {
    let Timing { started, duration } = results.timing?;
    let started = started.strftime("%Y-%m-%d %H:%M UTC");
    let duration = match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    };
    Some(format!("{started}, {duration}"))
}

/// Explains whether a client can connect: `no: discovery.json`.
pub(super) fn explained(connects: Connects, because: &[&str]) -> String {
    let (word, ids) = (connects.describe(), because.join(", "));
    match connects {
        Connects::Yes => word.to_owned(),
        Connects::No => format!("{word}: {ids}"),
        Connects::SignsIn | Connects::Unknown => format!("{word}; not run: {ids}"),
    }
}

/// Returns all counts above zero, worst first: `2 failed, 11 passed`.
pub(super) fn counts(summary: &Summary) -> String {
    let counts: Vec<String> = Status::ALL
        .into_iter()
        .filter(|status| status.count(summary) > 0)
        .map(|status| format!("{} {}", status.count(summary), status.plural()))
        .collect();
    if counts.is_empty() {
        return "no cases".to_owned();
    }
    counts.join(", ")
}

/// Returns the counts of the whole run, with the number of errors in the baseline.
pub(super) fn all_counts(results: &Results) -> String {
    let counts = counts(&results.summary());
    match results.baseline.len() {
        0 => counts,
        1 => format!("{counts}, 1 error in the baseline"),
        errors => format!("{counts}, {errors} errors in the baseline"),
    }
}

/// Returns a number of cases in words: `1 case`, `2 cases`.
pub(super) fn cases(count: usize) -> String {
    if count == 1 {
        return "1 case".to_owned();
    }
    format!("{count} cases")
}

/// Returns the cases with this status, in order.
pub(super) fn with_status(all: &[CaseResult], status: Status) -> impl Iterator<Item = &CaseResult> {
    all.iter().filter(move |case| Status::of(case) == status)
}

/// Groups the cases with this status by reason, in the order in which the reasons first occur.
pub(super) fn by_reason(all: &[CaseResult], status: Status) -> Vec<(&str, Vec<&CaseResult>)> {
    let mut groups: Vec<(&str, Vec<&CaseResult>)> = Vec::new();
    for case in with_status(all, status) {
        let reason = case.reason.as_deref().unwrap_or("no reason given");
        match groups.iter_mut().find(|(one, _)| *one == reason) {
            Some((_, cases)) => cases.push(case),
            None => groups.push((reason, vec![case])),
        }
    }
    groups
}
