//! The steps of a case: what is done to Clerk, and what is sent.

use std::collections::BTreeMap;

use local_clerk::mint::{Damage, TokenSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Expectation, OneOrMany};

/// Actions on Clerk, a request, and the expected answer, in this order.
///
/// Texts may contain placeholders for values of the run. Of the target: `{base_url}` and its path
/// `{base_path}`, `{mcp_url}`, `{origin}` and a similar origin `{origin.alike}`, `{authority}` (host and
/// port), `{mcp}` (the path of the MCP endpoint), also as `{mcp.capitals}`, as `{mcp.encoded}` and, its last
/// segment alone, as `{mcp.last}`. Of Clerk: `{issuer}`, user ids such as `{ada}`, `{grace}` and `{alan}`,
/// organization ids such as `{org.compiler-works}`, and `{other.…}` for a second Clerk. `{identity_tool}`,
/// `{admin_tool}`, `{public_tool}` and `{first_scope}` are from the profile. Other braces stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Actions on Clerk, before everything else.
    #[serde(default)]
    pub clerk: Vec<ClerkAction>,
    /// How long to wait before the request: `1s`, `500ms`, or the longest of several. `{key_interval}` and
    /// `{role_interval}` are intervals of the profile.
    #[serde(default)]
    pub pause: Option<OneOrMany<String>>,
    /// The time limit for the answer, if longer than the limit of the run: `30s`.
    #[serde(default)]
    pub limit: Option<String>,
    /// The time limit for the answer, even if it is shorter than the limit of the run: `2s`.
    #[serde(default)]
    pub deadline: Option<String>,
    /// First sends `initialize` with this token, which makes the target ask Clerk, and does not wait for the
    /// answer. Sends the request of the step as soon as Clerk was asked.
    #[serde(default)]
    pub meanwhile: Option<TokenSpec>,
    /// First sends `initialize` with this token on the same connection.
    #[serde(default)]
    pub after: Option<TokenSpec>,
    /// Also sends each request with this token, twice and at the same time. Those answers are not judged.
    #[serde(default)]
    pub beside: Option<TokenSpec>,
    /// The token of the request. Default: none.
    #[serde(default)]
    pub token: Option<TokenSpec>,
    /// Sends the token of an earlier step (from 1) again.
    #[serde(default)]
    pub token_of_step: Option<usize>,
    /// How the token of `token_of_step` is damaged.
    #[serde(default)]
    pub damage: Vec<Damage>,
    /// Sends the MCP session id from the answer of an earlier step (from 1), even if another caller started
    /// that session.
    #[serde(default)]
    pub session_of_step: Option<usize>,
    /// The values of the `Authorization` headers. Default: `Bearer {token}` if there is a token.
    #[serde(default)]
    pub authorization: Option<Vec<String>>,
    /// The request. Default: `initialize`.
    #[serde(default)]
    pub send: Request,
    /// The expected answer, or each expected answer if the request is sent several times.
    #[serde(default)]
    pub expect: Expectation,
}

/// A call of the local Clerk's admin API. `GET /admin` lists the operations.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClerkAction {
    /// The method, and the path below `/admin`: `POST /faults`, `POST /keys/rotate`.
    #[serde(rename = "do")]
    pub operation: String,
    /// The body.
    #[serde(default)]
    pub with: Option<Map<String, Value>>,
    /// How many times to call it. `{n}` in texts counts from 1.
    #[serde(default)]
    pub times: Option<u32>,
}

/// The request. Without a message, call or body, it is `initialize`. If the server has a public tool and the
/// request has no credential, it is a call of the `identity_tool` instead, which requires a token.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a member of case files")]
pub struct Request {
    /// The method. Default: `POST` for messages and the MCP endpoint, otherwise `GET`.
    #[serde(default)]
    pub method: Option<String>,
    /// The path and query, which are not normalized. Default: `{mcp}`.
    #[serde(default)]
    pub path: Option<String>,
    /// The path to try if `path` answers 404, because a proxy may remove a prefix of paths.
    #[serde(default)]
    pub or_path: Option<String>,
    /// Headers to set. An empty value removes the header.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Headers to add, even if the request already has one of this name.
    #[serde(default)]
    pub append: BTreeMap<String, String>,
    /// A message without arguments.
    #[serde(default)]
    pub message: Option<Message>,
    /// A tool call.
    #[serde(default)]
    pub call: Option<ToolCall>,
    /// The revision of MCP. Default: 2025-11-25.
    #[serde(default)]
    pub revision: Revision,
    /// The whole body, as text.
    #[serde(default)]
    pub body: Option<String>,
    /// Sends the characters from U+0080 to U+00FF of the body as one byte each, which is not UTF-8.
    #[serde(default)]
    pub latin1: bool,
    /// The size of the whole body: a valid `initialize`, padded with spaces.
    #[serde(default)]
    pub body_bytes: Option<usize>,
    /// Sends the body in chunks, without a length.
    #[serde(default)]
    pub chunked: bool,
    /// Declares a body of this size in Content-Length, and sends no byte of it.
    #[serde(default)]
    pub declared_bytes: Option<u64>,
    /// Sends the request over HTTP/2 without TLS, or over HTTP/1.1 if the target does not speak it.
    #[serde(default)]
    pub http2: bool,
    /// How many times to send the request. Default: once.
    #[serde(default)]
    pub times: Option<u32>,
    /// Sends all requests at once, instead of one after the other.
    #[serde(default)]
    pub at_once: bool,
    /// Sends each request with a new token of the same recipe.
    #[serde(default)]
    pub new_tokens: bool,
    /// Sends the requests as these users (first names) in turn, each with a token of their own. In the
    /// expectation, `{caller}` is the id of the user who sent the request. An expected body must lack the ids of
    /// the other users.
    #[serde(default)]
    pub users: Vec<String>,
}

/// A message without arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Message {
    /// `initialize`, in revisions before 2026-07-28.
    #[serde(rename = "initialize")]
    Initialize,
    /// `server/discover`, in 2026-07-28.
    #[serde(rename = "server/discover")]
    Discover,
    /// `ping`.
    #[serde(rename = "ping")]
    Ping,
    /// `tools/list`.
    #[serde(rename = "tools/list")]
    ToolsList,
    /// `notifications/initialized`.
    #[serde(rename = "notifications/initialized")]
    Initialized,
}

/// A tool call.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The name of the tool.
    pub tool: String,
    /// The arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// A revision of MCP, which determines the headers and members of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Revision {
    /// 2025-11-25: a client sends `initialize` first.
    #[default]
    #[serde(rename = "2025-11-25")]
    Mcp20251125,
    /// 2026-07-28: every request is self-contained, with `Mcp-Method`, `Mcp-Name` and `_meta`.
    #[serde(rename = "2026-07-28")]
    Mcp20260728,
}

impl Revision {
    /// Returns the value of `MCP-Protocol-Version`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mcp20251125 => "2025-11-25",
            Self::Mcp20260728 => "2026-07-28",
        }
    }
}
