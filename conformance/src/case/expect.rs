use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is expected of an answer. Everything that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The kind of answer, by a word.
    #[serde(default)]
    pub is: Option<ExpectedAnswer>,
    /// The status, or each that will do. Replaces that of `is`.
    #[serde(default)]
    pub status: Option<OneOrMany<u16>>,
    /// The challenge in `WWW-Authenticate`.
    #[serde(default)]
    pub challenge: Option<ChallengeExpectation>,
    /// Headers by name.
    #[serde(default)]
    pub headers: BTreeMap<String, Matcher>,
    /// The body as text.
    #[serde(default)]
    pub body: Option<Matcher>,
    /// Places in the body as JSON.
    #[serde(default)]
    pub json: Vec<JsonExpectation>,
    /// Places in the result of the JSON-RPC response, whether it came as JSON or in an event stream.
    #[serde(default)]
    pub result: Vec<JsonExpectation>,
    /// Places in what the tool gave as `structuredContent`, which the text must repeat.
    #[serde(default)]
    pub structured: Vec<JsonExpectation>,
    /// The text the tool gave.
    #[serde(default)]
    pub text: Option<Matcher>,
    /// Whether the tool's result says that it failed (`isError`).
    #[serde(default)]
    pub tool_failed: Option<bool>,
    /// The error of the JSON-RPC response.
    #[serde(default)]
    pub rpc_error: Option<RpcErrorExpectation>,
    /// The answer is the same as that of an earlier step (from 1): status, challenge and body, and of a refusal every
    /// header that is not another each time.
    #[serde(default)]
    pub same_as_step: Option<usize>,
    /// If it is a refusal, it is the same as that of an earlier step. Whether it is one, other cases find out.
    #[serde(default)]
    pub same_refusal_as_step: Option<usize>,
    /// No part of the token is in the answer.
    #[serde(default)]
    pub no_token: bool,
    /// How many requests Clerk got at these endpoints in this step. `jwks+backend_jwks` is both together, and `other.jwks`
    /// the second Clerk's.
    #[serde(default)]
    pub clerk_requests: BTreeMap<String, Count>,
    /// How many of the answers, of a step that sends several, must be as expected; all, unless said otherwise.
    #[serde(default)]
    pub at_least: Option<u32>,
}

/// The usual kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedAnswer {
    /// The message was processed: 200 with a JSON-RPC result, or 202 for a notification.
    Accepted,
    /// The credential was not accepted: 401, and nothing was processed. Before that, the same token without what was
    /// done to it must be accepted, or the refusal proves nothing.
    Refused,
    /// There was no credential: 401 with a Bearer challenge.
    Challenged,
    /// The credential was refused as RFC 6750 §3 says: as `refused`, with a Bearer challenge.
    InvalidToken,
    /// The request was malformed: 400 and nothing processed.
    InvalidRequest,
    /// A scope is missing: 403 with a Bearer challenge.
    InsufficientScope,
    /// Not allowed: 403 without a challenge of `insufficient_scope`.
    Forbidden,
    /// Clerk is away: 503 with `Retry-After`, and no challenge.
    Unavailable,
    /// The server's own set-up is at fault: 500 and no challenge.
    Misconfigured,
    /// Nothing was processed, whatever the status says from 400 to 499.
    NotProcessed,
}

/// The challenge in `WWW-Authenticate` (RFC 6750 §3).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChallengeExpectation {
    /// There is none.
    #[serde(default)]
    pub absent: bool,
    /// Parameters by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, Matcher>,
    /// The names of the parameters, in order.
    #[serde(default)]
    pub order: Option<Vec<String>>,
    /// `scope` has these, in any order.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// It is well formed: one Bearer challenge, each parameter once and with the characters it may have, and
    /// quoted unless it is a token (RFC 9110 §11.2).
    #[serde(default)]
    pub well_formed: bool,
}

/// What a text must be like. Everything that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// It need not be there; what else is said holds if it is.
    #[serde(default)]
    pub optional: bool,
    /// It is there (`true`), or not (`false`).
    #[serde(default)]
    pub present: Option<bool>,
    /// It is this.
    #[serde(default)]
    pub equals: Option<String>,
    /// It is one of these.
    #[serde(default)]
    pub one_of: Option<Vec<String>>,
    /// It has each of these in it.
    #[serde(default)]
    pub contains: Option<OneOrMany<String>>,
    /// It has none of these in it.
    #[serde(default)]
    pub lacks: Option<OneOrMany<String>>,
    /// It is as this regular expression says.
    #[serde(default)]
    pub matches: Option<String>,
    /// It is a comma-separated list with each of these, in any case.
    #[serde(default)]
    pub lists: Option<Vec<String>>,
}

/// What a place in a JSON document must be like.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonExpectation {
    /// The place, as a JSON Pointer (RFC 6901); empty for the whole.
    pub at: String,
    /// It is there (`true`), or not (`false`).
    #[serde(default)]
    pub present: Option<bool>,
    /// It is this; `"@null"` for null.
    #[serde(default)]
    pub equals: Option<Value>,
    /// It is one of these.
    #[serde(default)]
    pub one_of: Option<Vec<Value>>,
    /// It is an array or text with each of these in it.
    #[serde(default)]
    pub contains: Option<OneOrMany<Value>>,
    /// It is an array or text with none of these in it.
    #[serde(default)]
    pub lacks: Option<OneOrMany<Value>>,
    /// It is a text as this regular expression says.
    #[serde(default)]
    pub matches: Option<String>,
    /// It is an array or text of this length.
    #[serde(default)]
    pub length: Option<usize>,
    /// It is of this type: `string`, `number`, `boolean`, `array`, `object`, `null`.
    #[serde(default)]
    pub is: Option<String>,
}

/// What the error of a JSON-RPC response must be like.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RpcErrorExpectation {
    /// Its code, or each that will do.
    pub code: OneOrMany<i64>,
    /// Its message.
    #[serde(default)]
    pub message: Option<Matcher>,
    /// Places in its data.
    #[serde(default)]
    pub data: Vec<JsonExpectation>,
}

/// How many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// As many or more.
    #[serde(default)]
    pub at_least: Option<u64>,
    /// As many or fewer.
    #[serde(default)]
    pub at_most: Option<u64>,
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    // First, for a list of values is a value as well.
    /// Several.
    Many(Vec<T>),
    /// One.
    One(T),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) if least == most => write!(f, "{least}"),
            (Some(least), Some(most)) => write!(f, "{least} to {most}"),
            (Some(least), None) => write!(f, "at least {least}"),
            (None, Some(most)) => write!(f, "at most {most}"),
            (None, None) => f.write_str("any number"),
        }
    }
}
