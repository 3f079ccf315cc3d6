use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Expectation, OneOrMany};
use local_clerk::mint::TokenSpec;

/// Something done to Clerk, a request, and what is expected of the answer, in this order.
///
/// In texts, `{base_url}` (and its path, `{base_path}`), `{mcp_url}`, `{origin}` (and `{origin.alike}`), `{authority}` (the target's host and port), `{mcp}` (its path, also
/// `{mcp.capitals}`, `{mcp.encoded}` and, for its last segment alone, `{mcp.last}`), `{issuer}`, `{ada}`, `{grace}`, `{alan}` (user ids), `{org.compiler-works}` (organization ids) and `{other.…}` stand for what
/// they are in this run. Other braces are left alone.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What is done to Clerk first.
    #[serde(default)]
    pub clerk: Vec<ClerkAction>,
    /// Waits this long first: `1s`, `500ms`; of several, the longest. For what only time changes. `{key_interval}` is what
    /// the profile says.
    #[serde(default)]
    pub pause: Option<OneOrMany<String>>,
    /// How long the answer may take, where the run allows less: `30s`.
    #[serde(default)]
    pub limit: Option<String>,
    /// The token to present; without it the request has none.
    #[serde(default)]
    pub token: Option<TokenSpec>,
    /// Presents the token of an earlier step (from 1) again.
    #[serde(default)]
    pub token_of_step: Option<usize>,
    /// Presents the MCP session of the answer of an earlier step (from 1), whoever's it is.
    #[serde(default)]
    pub session_of_step: Option<usize>,
    /// The values of the `Authorization` headers, where it isn't one with `Bearer {token}`.
    #[serde(default)]
    pub authorization: Option<Vec<String>>,
    /// The request. Without it: `initialize`.
    #[serde(default)]
    pub send: Request,
    /// What is expected of the answer, or of each of them.
    #[serde(default)]
    pub expect: Expectation,
}

/// An operation of the local Clerk's admin API, which `GET /admin` describes.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClerkAction {
    /// Method and path below `/admin`: `POST /faults`, `POST /keys/rotate`.
    #[serde(rename = "do")]
    pub operation: String,
    /// Its body.
    #[serde(default)]
    pub with: Option<Map<String, Value>>,
    /// How many times; `{n}` in texts counts from 1.
    #[serde(default)]
    pub times: Option<u32>,
}

/// What is sent. Without a message, call or body, it is `initialize`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `POST`, or `GET` for other paths than that of MCP.
    #[serde(default)]
    pub method: Option<String>,
    /// The path, and query, as they are: nothing is normalized. Without it: that of MCP, which `{mcp}` names.
    #[serde(default)]
    pub path: Option<String>,
    /// The path to try when there is nothing (404) at `path`: a proxy in front may take the beginning of paths off.
    #[serde(default)]
    pub or_path: Option<String>,
    /// Headers to set, or with an empty text to leave out.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// One of the usual messages.
    #[serde(default)]
    pub message: Option<Message>,
    /// A call of a tool.
    #[serde(default)]
    pub call: Option<ToolCall>,
    /// The revision of MCP it is said in; 2025-11-25, unless said otherwise.
    #[serde(default)]
    pub revision: Revision,
    /// The whole body instead, as text.
    #[serde(default)]
    pub body: Option<String>,
    /// The whole body instead: this many spaces inside a valid `initialize`, for limits.
    #[serde(default)]
    pub body_bytes: Option<usize>,
    /// Says that the body is sent in chunks, without a length.
    #[serde(default)]
    pub chunked: bool,
    /// The same request this many times.
    #[serde(default)]
    pub times: Option<u32>,
    /// All of them at once, instead of one after the other.
    #[serde(default)]
    pub at_once: bool,
    /// With a new token for each of them, by the same recipe.
    #[serde(default)]
    pub new_tokens: bool,
}

/// The usual messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Message {
    /// `initialize`, of revisions before 2026-07-28.
    #[serde(rename = "initialize")]
    Initialize,
    /// `server/discover`, of 2026-07-28.
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

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// A revision of MCP: which headers and members a message has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Revision {
    /// 2025-11-25: `initialize` first.
    #[default]
    #[serde(rename = "2025-11-25")]
    Mcp20251125,
    /// 2026-07-28: every request for itself, `Mcp-Method`, `Mcp-Name` and `_meta`.
    #[serde(rename = "2026-07-28")]
    Mcp20260728,
}

impl Revision {
    /// The value of `MCP-Protocol-Version`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mcp20251125 => "2025-11-25",
            Self::Mcp20260728 => "2026-07-28",
        }
    }
}
