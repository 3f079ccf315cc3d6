//! The results of a run, which all reports show and `compare` reads.
//!
//! They are sorted and, as JSON, contain no times and no tokens, so that two runs differ only if the targets
//! differ.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::case::Section;
use crate::{case::Level, policy::Cell, spec::Reference};

/// The results of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// The suite.
    pub suite: Suite,
    /// The server under test.
    pub target: Target,
    /// When the run was. Only reports for people show it.
    #[serde(skip)]
    pub timing: Option<Timing>,
    /// How the target rejected a valid token, if it accepted none. Then nothing is known about how it handles
    /// invalid tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_token_refused: Option<String>,
    /// The results of the selected cases, by section and id.
    pub cases: Vec<CaseResult>,
    /// The stale entries of the baseline.
    pub baseline: Vec<StaleEntry>,
}

/// When a run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// When it started.
    pub started: Timestamp,
    /// How long it took.
    pub duration: Duration,
}

/// An entry of the baseline that names no case, or a case that passes now. It fails the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaleEntry {
    /// The case id in the entry.
    pub case: String,
    /// The problem, and what to do about it.
    pub problem: String,
}

/// The suite that produced the results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suite {
    /// `clerk-mcp-conformance`.
    pub name: String,
    /// The version.
    pub version: String,
    /// The number of cases for servers with this profile, selected or not.
    pub cases: usize,
}

/// The server under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The name of its profile.
    pub profile: String,
    /// The name of the program that started it, or the URL of its MCP endpoint.
    pub address: String,
    /// How much of the target the run could test.
    pub reach: Reach,
}

/// How much of a target a run can test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// What needs no token.
    NoToken,
    /// Also what can be tested with the supplied tokens.
    SuppliedTokens,
    /// Also what can be tested with the local Clerk that a running target uses.
    LocalClerk,
    /// Everything: the suite starts and configures the target and a local Clerk.
    Everything,
}

impl Reach {
    /// Describes it for reports: `with a local issuer`.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NoToken => "without a token",
            Self::SuppliedTokens => "with supplied tokens",
            Self::LocalClerk => "with a local issuer",
            Self::Everything => "with a local issuer, started by the suite",
        }
    }
}

/// The result of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseResult {
    /// The id of the case: `claims.expired`.
    pub id: String,
    /// The section of the case.
    pub section: Section,
    /// What the target must do, in one sentence.
    pub requirement: String,
    /// How binding the requirement is.
    pub level: Level,
    /// Where the requirement is specified.
    pub references: Vec<Reference>,
    /// What goes wrong if the target does not meet the requirement.
    pub why: String,
    /// The outcome.
    pub outcome: Outcome,
    /// Why the case was not run, for [`Outcome::NotTestable`] and [`Outcome::NotApplicable`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was expected and what happened instead, for [`Outcome::Fail`] and [`Outcome::Warn`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The exchange that the findings are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
    /// The cell of the profile's policy that the case tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
    /// The reason in the baseline, if the case is a known failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// The command that runs this case again. The target's own command is shortened to its program name and
    /// `…`.
    pub rerun: String,
}

/// The outcome of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The target meets the requirement.
    Pass,
    /// The target does not meet a recommendation (`should`).
    Warn,
    /// The target does not meet a requirement (`must`).
    Fail,
    /// The case could not be run although it applies. This counts as a failure, because the run proves
    /// nothing about the requirement.
    NotTestable,
    /// The target does not offer what the case is about, or this kind of run cannot test it.
    NotApplicable,
}

impl Outcome {
    /// All outcomes, in the order of reports.
    pub const ALL: [Self; 5] = [
        Self::Pass,
        Self::Warn,
        Self::Fail,
        Self::NotTestable,
        Self::NotApplicable,
    ];

    /// Describes the outcome for reports: `not testable`.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::NotTestable => "not testable",
            Self::NotApplicable => "not applicable",
        }
    }

    /// Returns whether the outcome fails the run, unless the baseline lists the case.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Fail | Self::NotTestable)
    }
}

/// The conclusion of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// No failures except known ones, and no stale baseline entries.
    Clean,
    /// There are new failures or stale baseline entries.
    Findings,
    /// No selected case applied, so nothing is known about the target.
    NothingTried,
}

impl Conclusion {
    /// Describes the conclusion for reports: `Nothing tried`.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Clean => "Clean",
            Self::Findings => "Findings",
            Self::NothingTried => "Nothing tried",
        }
    }
}

/// One thing that differs from what a case expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The step of the case, from 1.
    pub step: usize,
    /// What was expected, with every accepted answer.
    pub expected: String,
    /// What happened.
    pub actual: String,
}

/// A request and its response, without secrets: a recipe replaces each token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// The step of the case, from 1.
    pub step: usize,
    /// The request line, headers and body, as text.
    pub request: String,
    /// The status line, headers and body, as text, or why there is no response.
    pub response: String,
}

/// The number of cases by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Passed cases.
    pub pass: usize,
    /// Recommendations that are not met, except known failures.
    pub warn: usize,
    /// Requirements that are not met, except known failures.
    pub fail: usize,
    /// Cases that could not be run although they apply, except known failures.
    pub not_testable: usize,
    /// Cases that do not apply.
    pub not_applicable: usize,
    /// Known failures and warnings.
    pub known: usize,
}

impl Summary {
    /// Counts cases.
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a CaseResult>) -> Self {
        let mut summary = Self::default();
        for case in cases {
            let counter = match case.outcome {
                Outcome::Pass => &mut summary.pass,
                Outcome::NotApplicable => &mut summary.not_applicable,
                Outcome::Warn | Outcome::Fail | Outcome::NotTestable if case.known.is_some() => {
                    &mut summary.known
                }
                Outcome::Warn => &mut summary.warn,
                Outcome::Fail => &mut summary.fail,
                Outcome::NotTestable => &mut summary.not_testable,
            };
            *counter += 1;
        }
        summary
    }

    /// Returns the number of all cases.
    pub fn total(&self) -> usize {
        self.pass + self.warn + self.fail + self.not_testable + self.not_applicable + self.known
    }
}

impl Results {
    /// Counts the cases by outcome.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.cases)
    }

    /// Returns the conclusion of the run.
    pub fn conclusion(&self) -> Conclusion {
        let summary = self.summary();
        if summary.not_applicable == summary.total() {
            Conclusion::NothingTried
        } else if summary.fail == 0 && summary.not_testable == 0 && self.baseline.is_empty() {
            Conclusion::Clean
        } else {
            Conclusion::Findings
        }
    }

    /// Returns the sections in order, each with its cases.
    pub fn sections(&self) -> impl Iterator<Item = (&Section, &[CaseResult])> {
        self.cases
            .chunk_by(|one, other| one.section.number == other.section.number)
            .filter_map(|cases| Some((&cases.first()?.section, cases)))
    }
}

impl CaseResult {
    /// Returns whether this case fails the run.
    pub fn is_new_failure(&self) -> bool {
        self.outcome.is_failure() && self.known.is_none()
    }
}
