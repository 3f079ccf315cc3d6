//! What a run found: the one value that every report shows, every baseline judges and `compare` reads.
//!
//! It holds no time and no token, and is sorted, so that two runs of the same target differ only where the target
//! does.

use serde::{Deserialize, Serialize};

pub use crate::case::Section;
use crate::{case::Level, spec::Reference};

/// The results of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// Which suite judged.
    pub suite: Suite,
    /// What was judged.
    pub target: Target,
    /// What came when a token was presented that is as it should be, if none was accepted: nothing is known then of
    /// what the target does with wrong ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_token_refused: Option<String>,
    /// One for each case that was selected, by section and then by id.
    pub cases: Vec<CaseResult>,
    /// What is wrong with the baseline, if one was given.
    pub baseline: Vec<StaleEntry>,
}

/// An entry of the baseline that names no case, or a case that passes now. It fails the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaleEntry {
    /// The case id in the entry.
    pub case: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// The suite that made the results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suite {
    /// `clerk-mcp-conformance`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How many cases it has, selected or not.
    pub cases: usize,
}

/// The server that was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The profile it was described by.
    pub profile: String,
    /// The command that started it, or the URL it was found at.
    pub address: String,
    /// How far the run could go.
    pub reach: Reach,
}

/// How much of a target a run can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Without a token: what anybody can see.
    NoToken,
    /// With tokens that somebody supplied.
    SuppliedTokens,
    /// With a local Clerk that the running target uses.
    LocalClerk,
    /// With a local Clerk, and targets that the suite starts and configures itself.
    Everything,
}

impl Reach {
    /// In words, for people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NoToken => "without a token",
            Self::SuppliedTokens => "with supplied tokens",
            Self::LocalClerk => "with a local Clerk",
            Self::Everything => "with a local Clerk, started by the suite",
        }
    }
}

/// The result of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseResult {
    /// The case's stable id: `claims.expired`.
    pub id: String,
    /// Where it belongs.
    pub section: Section,
    /// What the target has to do, in one sentence.
    pub requirement: String,
    /// Must or should.
    pub level: Level,
    /// Where that is written.
    pub references: Vec<Reference>,
    /// What goes wrong otherwise.
    pub why: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it could not be tried, for [`Outcome::NotTestable`] and [`Outcome::NotApplicable`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was due and what came instead, for [`Outcome::Fail`] and [`Outcome::Warn`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The exchange the findings are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
    /// The baseline's reason, when it expects this case to fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// The command that runs this case again.
    pub rerun: String,
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As required.
    Pass,
    /// Not as recommended: a `should` that was not met.
    Warn,
    /// Not as required.
    Fail,
    /// It had to be tried and could not be, which counts as a failure: a suite that cannot look must not say that
    /// all is well.
    NotTestable,
    /// The target does not offer what the case is about, or the run was not meant to reach that far.
    NotApplicable,
}

impl Outcome {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 5] = [
        Self::Pass,
        Self::Warn,
        Self::Fail,
        Self::NotTestable,
        Self::NotApplicable,
    ];

    /// In words: `not testable`.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::NotTestable => "not testable",
            Self::NotApplicable => "not applicable",
        }
    }

    /// Whether the run fails by it, unless the baseline knows it.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Fail | Self::NotTestable)
    }
}

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// No failure that the baseline does not know, and nothing wrong with the baseline.
    Clean,
    /// Something was found.
    Findings,
    /// Not one case applied: nothing is known about the target, which is not the same as nothing being wrong.
    NothingTried,
}

impl Conclusion {
    /// In words: `Nothing tried`.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Clean => "Clean",
            Self::Findings => "Findings",
            Self::NothingTried => "Nothing tried",
        }
    }
}

/// One thing that was due and did not come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The step of the case, from 1.
    pub step: usize,
    /// What was due, every accepted answer.
    pub expected: String,
    /// What came.
    pub actual: String,
}

/// What was sent and what came back, without secrets: a token is replaced by what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// The step of the case, from 1.
    pub step: usize,
    /// Request line, headers and body, as text.
    pub request: String,
    /// Status line, headers and body, as text; or why there is none.
    pub response: String,
}

/// How many cases there are of each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// As required.
    pub pass: usize,
    /// Recommendations that were not met, without those the baseline knows.
    pub warn: usize,
    /// Requirements that were not met, without those the baseline knows.
    pub fail: usize,
    /// What could not be tried but had to be, without those the baseline knows.
    pub not_testable: usize,
    /// What is not offered or out of reach.
    pub not_applicable: usize,
    /// Failures and warnings that the baseline knows.
    pub known: usize,
}

impl Summary {
    /// Counts these.
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

    /// How many cases there are.
    pub fn total(&self) -> usize {
        self.pass + self.warn + self.fail + self.not_testable + self.not_applicable + self.known
    }
}

impl Results {
    /// How many cases there are of each outcome.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.cases)
    }

    /// What it all comes to.
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

    /// The sections in order, each with its cases.
    pub fn sections(&self) -> impl Iterator<Item = (&Section, &[CaseResult])> {
        self.cases
            .chunk_by(|one, other| one.section.number == other.section.number)
            .filter_map(|cases| Some((&cases.first()?.section, cases)))
    }
}

impl CaseResult {
    /// Whether the run fails by this case.
    pub fn is_new_failure(&self) -> bool {
        self.outcome.is_failure() && self.known.is_none()
    }
}
