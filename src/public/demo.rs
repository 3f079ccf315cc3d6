//! [`DemoContent`]: what the start page shows only in a demo: sample users, their tokens, and requests that
//! the server rejects.

use serde::Serialize;
use serde_json::Value;

/// Additional content of the start page in a demo: sample users with tokens, and a command to try.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DemoContent {
    /// The sample users.
    pub(crate) users: Vec<DemoUser>,
    /// A `curl` command that calls a tool and works as printed.
    pub(crate) curl: String,
    /// The URL of the local Clerk.
    pub(crate) clerk_url: String,
    /// Requests that the server rejects.
    pub(crate) broken_requests: Vec<BrokenRequest>,
    /// Whether the program `clerk-mcp` runs the demo, so that the page may name its commands.
    pub(crate) in_program: bool,
}

/// A request to the MCP endpoint that the server rejects, and why.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BrokenRequest {
    /// The defect.
    pub(crate) name: &'static str,
    /// Explains the defect: of the token, the caller or Clerk.
    pub(crate) about: String,
    /// The token. Empty if the page gets the request from `/demo/outage`, which causes the outage.
    pub(crate) token: String,
    /// The name and arguments of the tool to call; `None` to list the tools.
    pub(crate) call: Option<Value>,
    /// The checks that `explain` shows.
    pub(crate) checks: Vec<BrokenRequestCheck>,
    /// The reason in the log.
    pub(crate) reason: &'static str,
}

/// One check of the token of a broken request.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BrokenRequestCheck {
    /// The name of the check.
    pub(crate) name: &'static str,
    /// The outcome: `passed`, `failed` and so on.
    pub(crate) outcome: &'static str,
    /// What the check expects, and what it found.
    pub(crate) text: String,
}

/// A sample user with a token. The token is only valid with the local Clerk of this demo.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DemoUser {
    /// `user_…`.
    pub(crate) id: String,
    /// First and last name.
    pub(crate) name: String,
    /// Email address.
    pub(crate) email: String,
    /// The user's organizations, as a phrase such as `member of Acme`.
    pub(crate) about: String,
    /// An OAuth access token for this server.
    pub(crate) token: String,
}
