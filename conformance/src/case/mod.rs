//! The types of case files. `clerk-mcp-conformance schema` prints their JSON Schema, whose descriptions are
//! the doc comments here.
//!
//! A file contains the cases of one [`Section`]. A [`Case`] cites its requirement, says why it matters, and
//! has one or more [`Step`]s: actions on Clerk, a token, a request, and the expected answer.

mod catalog;
mod expect;
mod step;
mod validation;

use std::{borrow::Cow, collections::BTreeMap};

use local_clerk::{Endpoint, mint::TokenSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    catalog::{Catalog, CatalogError},
    expect::{
        ChallengeExpectation, Count, Expectation, ExpectedAnswer, JsonExpectation, Matcher, OneOrMany,
        RpcErrorExpectation,
    },
    step::{ClerkAction, Message, Request, Revision, Step, ToolCall},
};
use crate::{policy::Cell, schema, vocabulary::is_of_clerk_mcp};

/// A file of cases, all of one section of the suite.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// The position of the section in the suite, from 1. Files of one section have the same number.
    pub number: u8,
    /// The prefix of the ids of its cases, before the first dot: `claims`.
    pub section: String,
    /// The title of the section in reports: `Registered claims`.
    pub title: String,
    /// The issuer of the tokens that the cases are about. Default: any. Servers that accept tokens of any issuer
    /// are not tested with cases about Clerk.
    #[serde(default)]
    pub issuer: Issuer,
    /// The cases.
    #[serde(rename = "case")]
    pub cases: Vec<Case>,
}

/// Which issuer of tokens a case is about, or which issuer a server accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Issuer {
    /// Any OAuth authorization server.
    #[default]
    Any,
    /// Clerk.
    Clerk,
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

/// One requirement, and how to test it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A stable, unique id: the section, a dot, and words with hyphens: `claims.expired`.
    pub id: String,
    /// What the target must do, in one sentence: `Rejects a token whose exp has passed.`
    pub requirement: String,
    /// How binding the requirement is.
    pub level: Level,
    /// Where the requirement is specified: keys of the table of references, such as `rfc7519#4.1.4`.
    #[schemars(schema_with = "schema::references")]
    pub refs: Vec<String>,
    /// What goes wrong if the target does not meet the requirement.
    pub why: String,
    /// What the profile must offer for the case to apply: `session_token`, `tools`.
    #[serde(default)]
    #[schemars(schema_with = "schema::needs")]
    pub needs: Vec<String>,
    /// What the profile must not offer for the case to apply.
    #[serde(default)]
    #[schemars(schema_with = "schema::needs")]
    pub unless: Vec<String>,
    /// Starts a target and a local Clerk for this case alone, with these settings. The profile maps settings
    /// to environment variables. Required, if only as `{}`, when the case changes Clerk or counts its
    /// requests.
    #[serde(default)]
    #[schemars(schema_with = "schema::own_settings")]
    pub own: Option<BTreeMap<String, String>>,
    /// Actions on Clerk before the target of this case starts.
    #[serde(default)]
    pub before: Vec<ClerkAction>,
    /// Values to use in the environment of the target instead of Clerk's, such as `secret_key`. `{other.…}`
    /// are the values of a second Clerk.
    #[serde(default)]
    pub instead: BTreeMap<String, String>,
    /// The target must exit instead of starting.
    #[serde(default)]
    pub refuses_to_start: Option<StartExpectation>,
    /// The steps, in order. A case with one step may have the members of that step instead: token,
    /// authorization, send and expect.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The token of the only step.
    #[serde(default)]
    pub token: Option<TokenSpec>,
    /// The `Authorization` headers of the only step.
    #[serde(default)]
    pub authorization: Option<Vec<String>>,
    /// The request of the only step.
    #[serde(default)]
    pub send: Request,
    /// The expected answer of the only step.
    #[serde(default)]
    pub expect: Expectation,
    /// The cell of the profile's policy that the case tries. No case in a file has one.
    #[serde(skip)]
    pub cell: Option<Cell>,
    /// The issuer that the file of the case is about.
    #[serde(skip)]
    pub issuer: Issuer,
}

/// How a target that cannot start must exit.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartExpectation {
    /// Values that the target is not given: the variables for them, such as for `secret_key`, are left out.
    #[serde(default)]
    pub without: Vec<String>,
    /// The exit code.
    pub exit: i32,
    /// What the target must have printed to stdout or stderr.
    #[serde(default)]
    pub output: Vec<Matcher>,
}

/// How binding a requirement is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The run fails if it is not met.
    Must,
    /// The report warns if it is not met.
    Should,
}

impl Level {
    /// Returns `must` or `should`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
        }
    }
}

impl Case {
    /// Returns the steps, also of a case with the members of its only step.
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

    /// Returns whether the case has members of its only step.
    fn has_single_step(&self) -> bool {
        self.token.is_some()
            || self.authorization.is_some()
            || self.send != Request::default()
            || self.expect != Expectation::default()
    }

    /// Returns whether only a copy of clerk-mcp can pass, because the case is about its texts, tools or pages.
    pub fn is_for_clerk_mcp(&self) -> bool {
        self.needs.iter().any(|option| is_of_clerk_mcp(option))
    }

    /// Returns whether the suite must start a target for this case alone.
    pub fn needs_own_target(&self) -> bool {
        self.own.is_some() || self.refuses_to_start.is_some()
    }
}

/// Returns the endpoints whose requests are counted together, each as the prefix of its Clerk and its name.
pub(crate) fn endpoints(names: &str) -> impl Iterator<Item = (&str, &str)> {
    names.split('+').map(|name| match name.strip_prefix(OTHER) {
        Some(rest) => (OTHER, rest),
        None => ("", name),
    })
}

/// The counter of all requests to Clerk that have an `Authorization` header.
pub(crate) const AUTHORIZED: &str = "authorized";
/// The prefix of the counters of requests to one endpoint that have an `Authorization` header.
pub(crate) const AUTHORIZED_AT: &str = "authorized_";
/// The prefix of the counters of requests to one endpoint that have a query.
pub(crate) const QUERY_AT: &str = "query_";
/// The counter of the bytes that Clerk sent of huge answers.
pub(crate) const HUGE_BYTES: &str = "huge_bytes";

/// Returns whether this is the name of a counter of Clerk's requests.
pub(crate) fn is_counter(name: &str) -> bool {
    let prefixed = name
        .strip_prefix(AUTHORIZED_AT)
        .or_else(|| name.strip_prefix(QUERY_AT));
    [AUTHORIZED, HUGE_BYTES].contains(&name) || Endpoint::from_name(prefixed.unwrap_or(name)).is_some()
}

/// The prefix of the names of the second Clerk's values and endpoints.
pub(crate) const OTHER: &str = "other.";
