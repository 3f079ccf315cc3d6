//! Cases as data: what a case file may say. These types are the schema that `clerk-mcp-conformance schema` prints.
//!
//! A file is a [`Section`](CaseFile) of cases. A [`Case`] cites what it is about, says why it matters, and has one or
//! more [`Step`]s: something done to Clerk, a token, a request, and what is expected of the answer.

mod catalogue;
mod expect;
mod sendable;
mod step;

use std::{borrow::Cow, collections::BTreeMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    catalogue::{Catalogue, CatalogueError},
    expect::{
        ChallengeExpectation, Count, Expectation, ExpectedAnswer, JsonExpectation, Matcher, OneOrMany,
        RpcErrorExpectation,
    },
    step::{ClerkAction, Message, Request, Revision, Step, ToolCall},
};
use crate::schema;
use local_clerk::mint::TokenSpec;

/// A file of cases: one section of the suite.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// The section's place in the suite, from 1. Files of one section share it.
    pub number: u8,
    /// What the ids of its cases begin with, before the first dot: `claims`.
    pub section: String,
    /// The section's name for people: `Registered claims`.
    pub title: String,
    /// The cases.
    #[serde(rename = "case")]
    pub cases: Vec<Case>,
}

/// A section of the suite.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Section {
    /// Its position in the suite, from 1.
    pub number: u8,
    /// The prefix of the ids of its cases: `claims`.
    pub key: String,
    /// Its title in reports: `Registered claims`.
    pub title: String,
}

/// One requirement, and how to try it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Stable and unique: the section, a dot, and words with hyphens: `claims.expired`.
    pub id: String,
    /// What the target has to do, as one sentence: `A token past its exp is refused.`
    pub requirement: String,
    /// Must or should.
    pub level: Level,
    /// Where that is written: keys of the table of references, `rfc7519#4.1.4`.
    #[schemars(schema_with = "schema::references")]
    pub refs: Vec<String>,
    /// What goes wrong for people when it is not so.
    pub why: String,
    /// What the profile must offer, for the case to apply: `session_token`, `tools`.
    #[serde(default)]
    #[schemars(schema_with = "schema::needs")]
    pub needs: Vec<String>,
    /// What the profile must not offer: this case is for targets that refuse it.
    #[serde(default)]
    #[schemars(schema_with = "schema::needs")]
    pub unless: Vec<String>,
    /// Gives the case a target and a Clerk of its own, with these settings. A profile maps their names to variables.
    /// Needed (and may be empty) where a case changes Clerk or counts its requests, so that no other case sees it.
    #[serde(default)]
    #[schemars(schema_with = "schema::own_settings")]
    pub own: Option<BTreeMap<String, String>>,
    /// What is done to Clerk before the case's own target starts.
    #[serde(default)]
    pub before: Vec<ClerkAction>,
    /// Values to put in place of Clerk's own in the target's environment: `secret_key`, for example. `{other.…}` are
    /// those of a second Clerk.
    #[serde(default)]
    pub instead: BTreeMap<String, String>,
    /// The target must not start at all, with this.
    #[serde(default)]
    pub refuses_to_start: Option<StartExpectation>,
    /// The steps, in order. A case of one step may leave them out, and write that step's members here:
    #[serde(default)]
    pub steps: Vec<Step>,
    /// As in a step.
    #[serde(default)]
    pub token: Option<TokenSpec>,
    /// As in a step.
    #[serde(default)]
    pub authorization: Option<Vec<String>>,
    /// As in a step.
    #[serde(default)]
    pub send: Request,
    /// As in a step.
    #[serde(default)]
    pub expect: Expectation,
}

/// How a target must end that cannot start.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartExpectation {
    /// Variables to leave out, by the name of the value they are given: `secret_key`.
    #[serde(default)]
    pub without: Vec<String>,
    /// The exit code.
    pub exit: i32,
    /// What it must have printed, on either stream.
    #[serde(default)]
    pub output: Vec<Matcher>,
}

/// How binding a requirement is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not met is a failure.
    Must,
    /// Not met is a warning.
    Should,
}

impl Level {
    /// `must` or `should`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
        }
    }
}

impl Case {
    /// The steps, wherever they are written.
    pub fn steps(&self) -> Cow<'_, [Step]> {
        if !self.steps.is_empty() {
            return Cow::Borrowed(&self.steps);
        }
        Cow::Owned(vec![Step {
            token: self.token.clone(),
            authorization: self.authorization.clone(),
            send: self.send.clone(),
            expect: self.expect.clone(),
            ..Step::default()
        }])
    }

    /// Whether there are members of a single step.
    fn has_single_step(&self) -> bool {
        self.token.is_some()
            || self.authorization.is_some()
            || self.send != Request::default()
            || self.expect != Expectation::default()
    }

    /// Whether the suite has to start a target for this case alone.
    pub fn needs_own_target(&self) -> bool {
        self.own.is_some() || self.refuses_to_start.is_some()
    }
}

/// The endpoints whose requests are counted together: whose they are (the first Clerk's, or `other.`), and their names.
pub(crate) fn endpoints(names: &str) -> impl Iterator<Item = (&str, &str)> {
    names.split('+').map(|name| match name.strip_prefix(OTHER) {
        Some(rest) => (OTHER, rest),
        None => ("", name),
    })
}

/// What the names of the second Clerk begin with.
pub(crate) const OTHER: &str = "other.";
