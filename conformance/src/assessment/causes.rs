//! The causes of findings (`causes.toml`): each fault of a server, its consequence, and the usual fix.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{
    pattern::{matches, selects},
    results::CaseResult,
};

/// A fault of a server, which can fail several cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// A short, unique name.
    pub id: String,
    /// How bad it is for the owner of the server.
    pub severity: Severity,
    /// The fault, as a sentence without a period: `Tokens for other servers are accepted`.
    pub title: String,
    /// Its consequence, in sentences.
    pub consequence: String,
    /// The usual fix, in sentences.
    pub fix: String,
    /// Selectors of the cases.
    pub cases: Vec<String>,
    /// Patterns. Applies only if a finding expects this, in which case it precedes causes without patterns.
    #[serde(default)]
    pub expected: Vec<String>,
    /// Patterns. The same finding must also have this actual value.
    #[serde(default)]
    pub actual: Vec<String>,
}

/// How bad a cause is for the owner of a server, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A request or an answer of the issuer ends the process.
    StopsTheServer,
    /// Callers without a right to the server are served.
    LetsStrangersIn,
    /// A caller gets what belongs to another.
    MixesUpCallers,
    /// Secrets or internals are shown.
    LeaksSecrets,
    /// Callers can do more than they may.
    GrantsTooMuch,
    /// Callers with a right to the server are not served.
    LocksUsersOut,
    /// Clients cannot sign in or connect.
    StopsClients,
    /// Something else that a specification demands is missing.
    BreaksARule,
}

impl Severity {
    /// All severities, worst first.
    pub const ALL: [Self; 8] = [
        Self::StopsTheServer,
        Self::LetsStrangersIn,
        Self::MixesUpCallers,
        Self::LeaksSecrets,
        Self::GrantsTooMuch,
        Self::LocksUsersOut,
        Self::StopsClients,
        Self::BreaksARule,
    ];

    /// Describes the severity for reports: `lets strangers in`.
    pub fn describe(self) -> &'static str {
        match self {
            Self::StopsTheServer => "stops the server",
            Self::LetsStrangersIn => "lets strangers in",
            Self::MixesUpCallers => "mixes up callers",
            Self::LeaksSecrets => "leaks secrets",
            Self::GrantsTooMuch => "grants too much",
            Self::LocksUsersOut => "locks users out",
            Self::StopsClients => "stops clients",
            Self::BreaksARule => "breaks a rule",
        }
    }

    /// Returns whether a server with such a fault should not be reachable by others.
    pub fn is_unsafe(self) -> bool {
        self <= Self::GrantsTooMuch
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "cause")]
    causes: Vec<Cause>,
}

/// Returns all causes. The tests check that the file is valid.
pub fn causes() -> &'static [Cause] {
    static CAUSES: LazyLock<Vec<Cause>> = LazyLock::new(|| {
        let file = toml::from_str::<File>(include_str!("../../causes.toml"));
        file.map(|file| file.causes).unwrap_or_default()
    });
    &CAUSES
}

impl Cause {
    /// Returns the cause of a case that failed or warned, or `None` for a case of another suite (`--cases`).
    pub fn of(case: &CaseResult) -> Option<&'static Self> {
        let mut by_finding = causes().iter().filter(|cause| cause.explains_a_finding(case));
        by_finding
            .find(|cause| cause.specificity(&case.id).is_some())
            .or_else(|| Self::of_id(&case.id))
    }

    /// Returns the cause whose selector fits the id best: the longest, or the first of several.
    pub fn of_id(id: &str) -> Option<&'static Self> {
        let general = causes().iter().filter(|cause| cause.expected.is_empty());
        general
            .filter_map(|cause| Some((cause.specificity(id)?, cause)))
            .rev()
            .max_by_key(|(specificity, _)| *specificity)
            .map(|(_, cause)| cause)
    }

    /// Returns how well a selector of this cause fits the id, if any does.
    pub fn specificity(&self, id: &str) -> Option<usize> {
        let fitting = self.cases.iter().filter(|selector| selects(selector, id));
        fitting
            .map(|selector| 2 * selector.len() + usize::from(!selector.contains('*')))
            .max()
    }

    fn explains_a_finding(&self, case: &CaseResult) -> bool {
        let any = |patterns: &[String], text: &str| patterns.iter().any(|pattern| matches(pattern, text));
        case.findings.iter().any(|finding| {
            any(&self.expected, &finding.expected)
                && (self.actual.is_empty() || any(&self.actual, &finding.actual))
        })
    }
}
