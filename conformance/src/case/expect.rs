//! What a case expects of an answer.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The expected answer. Every member that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The kind of answer.
    #[serde(default)]
    pub is: Option<ExpectedAnswer>,
    /// The accepted statuses. They replace the status of `is`.
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
    /// Values in the body, which must be JSON.
    #[serde(default)]
    pub json: Vec<JsonExpectation>,
    /// Values in the result of the JSON-RPC response, which may be JSON or an event stream.
    #[serde(default)]
    pub result: Vec<JsonExpectation>,
    /// Values in the `structuredContent` of the tool. Its text must be the same JSON.
    #[serde(default)]
    pub structured: Vec<JsonExpectation>,
    /// The text of the tool.
    #[serde(default)]
    pub text: Option<Matcher>,
    /// Whether the result of the tool is an error (`isError`).
    #[serde(default)]
    pub tool_failed: Option<bool>,
    /// The error of the JSON-RPC response.
    #[serde(default)]
    pub rpc_error: Option<RpcErrorExpectation>,
    /// The answer equals the answer of an earlier step (from 1): status, body and, if the request was
    /// rejected, all headers whose values do not vary, such as `Date` does.
    #[serde(default)]
    pub same_as_step: Option<usize>,
    /// If the request is rejected, the answer equals the answer of an earlier step (from 1).
    #[serde(default)]
    pub same_refusal_as_step: Option<usize>,
    /// The number of requests to these endpoints of Clerk during this step. `jwks+backend_jwks` counts both
    /// endpoints, `other.jwks` the endpoint of the second Clerk. `authorized` counts all requests with an
    /// `Authorization` header, `authorized_jwks` those to one endpoint, `query_jwks` the requests to one
    /// endpoint with a query, `huge_bytes` the bytes that Clerk sent of huge answers.
    #[serde(default)]
    pub clerk_requests: BTreeMap<String, Count>,
    /// The minimum number of answers that must be as expected if the step sends several requests. Default:
    /// all.
    #[serde(default)]
    pub at_least: Option<u32>,
}

/// A kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedAnswer {
    /// The message is processed: 200 with a JSON-RPC result, or 202 for a notification.
    Accepted,
    /// The token is rejected: 400, 401 or 403, and the request is not processed. The same token without damage
    /// must be accepted, or the rejection proves nothing. `invalid-token` also judges the status.
    Refused,
    /// The request has no credential: 401 with a Bearer challenge.
    Challenged,
    /// The token is rejected like `refused`, with a Bearer challenge (RFC 6750 §3).
    InvalidToken,
    /// The request is malformed: 400, and it is not processed.
    InvalidRequest,
    /// The token lacks a scope: 403 with a Bearer challenge.
    InsufficientScope,
    /// The caller is not allowed to do this: 403 without an `insufficient_scope` challenge.
    Forbidden,
    /// Clerk is unavailable: 503 with `Retry-After`, without a challenge.
    Unavailable,
    /// The server is misconfigured: 500 without a challenge.
    Misconfigured,
    /// The request is not processed. The status may be any from 300 to 499.
    NotProcessed,
    /// The caller may not do this: 401 or 403, a JSON-RPC error, or a tool result with `isError`.
    Denied,
}

/// The expected challenge in `WWW-Authenticate` (RFC 6750 §3).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChallengeExpectation {
    /// There is no challenge.
    #[serde(default)]
    pub absent: bool,
    /// Parameters by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, Matcher>,
    /// The names of the parameters, in order.
    #[serde(default)]
    pub order: Option<Vec<String>>,
    /// Scopes that `scope` contains, in any order.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// The header is well formed: one Bearer challenge, each parameter at most once and with allowed
    /// characters, and each value quoted unless it is a token (RFC 9110 §11.2).
    #[serde(default)]
    pub well_formed: bool,
}

/// Conditions on a text. Every member that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// The text may be absent. The other conditions hold if it is present.
    #[serde(default)]
    pub optional: bool,
    /// The text is present (`true`) or absent (`false`).
    #[serde(default)]
    pub present: Option<bool>,
    /// The text equals this.
    #[serde(default)]
    pub equals: Option<String>,
    /// The text equals one of these.
    #[serde(default)]
    pub one_of: Option<Vec<String>>,
    /// The text contains each of these.
    #[serde(default)]
    pub contains: Option<OneOrMany<String>>,
    /// The text contains none of these.
    #[serde(default)]
    pub lacks: Option<OneOrMany<String>>,
    /// The text matches this regular expression.
    #[serde(default)]
    pub matches: Option<String>,
    /// The text is a comma-separated list that contains each of these, ignoring case.
    #[serde(default)]
    pub lists: Option<Vec<String>>,
}

/// Conditions on a value in a JSON document. Every member that is given must hold. Without any, the value
/// must be present.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonExpectation {
    /// The position of the value, as a JSON Pointer (RFC 6901). Empty for the whole document.
    pub at: String,
    /// The value is present (`true`) or absent (`false`).
    #[serde(default)]
    pub present: Option<bool>,
    /// The value equals this. `"@null"` stands for null.
    #[serde(default)]
    pub equals: Option<Value>,
    /// The value equals one of these.
    #[serde(default)]
    pub one_of: Option<Vec<Value>>,
    /// The value is an array, a text, or an object by its member names, that contains each of these.
    #[serde(default)]
    pub contains: Option<OneOrMany<Value>>,
    /// The value contains none of these. An absent value contains nothing.
    #[serde(default)]
    pub lacks: Option<OneOrMany<Value>>,
    /// The value is a text that matches this regular expression.
    #[serde(default)]
    pub matches: Option<String>,
    /// The value is an array, a text or an object of this length.
    #[serde(default)]
    pub length: Option<usize>,
    /// The type of the value: `string`, `number`, `boolean`, `array`, `object` or `null`.
    #[serde(default)]
    pub is: Option<String>,
}

/// The expected error of a JSON-RPC response.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RpcErrorExpectation {
    /// The accepted codes.
    pub code: OneOrMany<i64>,
    /// The message.
    #[serde(default)]
    pub message: Option<Matcher>,
    /// Values in the data of the error.
    #[serde(default)]
    pub data: Vec<JsonExpectation>,
}

/// A range of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// The minimum.
    #[serde(default)]
    pub at_least: Option<u64>,
    /// The maximum.
    #[serde(default)]
    pub at_most: Option<u64>,
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    // This variant comes first because a list of JSON values is itself a JSON value.
    /// A list.
    Many(Vec<T>),
    /// One value.
    One(T),
}

impl<T> OneOrMany<T> {
    /// Returns all values.
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
