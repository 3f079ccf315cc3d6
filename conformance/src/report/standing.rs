//! How a case stands, in the words, signs and colours that all reports share.

use crate::results::{CaseResult, Conclusion, Outcome, Results, Summary};

/// An outcome as reports tell them apart: a failure that the baseline knows is a kind of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Fail,
    NotTestable,
    Warn,
    Known,
    Pass,
    NotApplicable,
}

impl Standing {
    /// The worst first.
    pub(super) const ALL: [Self; 6] = [
        Self::Fail,
        Self::NotTestable,
        Self::Warn,
        Self::Known,
        Self::Pass,
        Self::NotApplicable,
    ];

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

    /// The worst there is; `None` without cases.
    pub(super) fn worst(summary: &Summary) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.count(summary) > 0)
    }

    /// For one character's room, beside a word.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Fail => "✗",
            Self::NotTestable => "?",
            Self::Warn => "!",
            Self::Known => "~",
            Self::Pass => "✓",
            Self::NotApplicable => "–",
        }
    }

    /// Of one case: `fail`.
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

    /// Of many: `failed`.
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

    /// For a class of HTML.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::NotTestable => "not-testable",
            Self::NotApplicable => "not-applicable",
            Self::Fail | Self::Warn | Self::Known | Self::Pass => self.word(),
        }
    }

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

/// What the run comes to as a standing, for its sign and colour.
pub(super) fn concluded(results: &Results) -> Standing {
    match results.conclusion() {
        Conclusion::Clean => Standing::Pass,
        Conclusion::Findings | Conclusion::NothingTried => Standing::Fail,
    }
}

/// What stands at the head of a report that can't say much.
pub(super) fn headline(results: &Results) -> Option<String> {
    let refused = results.good_token_refused.as_deref()?;
    Some(format!(
        "No token was accepted, not even a good one, so nothing can be said of what becomes of wrong ones. Look at this \
         first: {refused}"
    ))
}

/// `2 failed, 11 passed`: what there is, the worst first.
pub(super) fn counts(summary: &Summary) -> String {
    let counts: Vec<String> = Standing::ALL
        .into_iter()
        .filter(|standing| standing.count(summary) > 0)
        .map(|standing| format!("{} {}", standing.count(summary), standing.plural()))
        .collect();
    if counts.is_empty() {
        return "no cases".to_owned();
    }
    counts.join(", ")
}

/// The same for the whole run, with what is wrong in the baseline.
pub(super) fn all_counts(results: &Results) -> String {
    let counts = counts(&results.summary());
    match results.baseline.len() {
        0 => counts,
        wrong => format!("{counts}, {wrong} wrong in the baseline"),
    }
}

/// `1 case`, `2 cases`.
pub(super) fn cases(count: usize) -> String {
    if count == 1 {
        return "1 case".to_owned();
    }
    format!("{count} cases")
}

/// The cases that stand so, in their order.
pub(super) fn standing_so(all: &[CaseResult], standing: Standing) -> impl Iterator<Item = &CaseResult> {
    all.iter().filter(move |case| Standing::of(case) == standing)
}

/// The cases that stand so, by their reason, in the order in which the reasons come first.
pub(super) fn by_reason(all: &[CaseResult], standing: Standing) -> Vec<(&str, Vec<&CaseResult>)> {
    let mut groups: Vec<(&str, Vec<&CaseResult>)> = Vec::new();
    for case in standing_so(all, standing) {
        let reason = case.reason.as_deref().unwrap_or("no reason given");
        match groups.iter_mut().find(|(one, _)| *one == reason) {
            Some((_, cases)) => cases.push(case),
            None => groups.push((reason, vec![case])),
        }
    }
    groups
}
