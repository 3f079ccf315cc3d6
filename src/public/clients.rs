//! How common MCP clients are told of this server. One list, for the start page and the demo's output.

use serde::Serialize;
use serde_json::json;

/// What to do in one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ClientSetup {
    /// The client's name.
    pub(crate) client: &'static str,
    /// Where the text goes.
    pub(crate) place: &'static str,
    /// The command or configuration, to be copied as it is.
    pub(crate) text: String,
}

/// The setups for a server whose MCP endpoint is `endpoint`.
pub(crate) fn client_setups(endpoint: &str) -> Vec<ClientSetup> {
    let cursor = json!({ "mcpServers": { "clerk": { "url": endpoint } } });
    let vs_code = json!({ "name": "clerk", "type": "http", "url": endpoint });
    vec![
        ClientSetup {
            client: "Claude Code",
            place: "in a terminal; then /mcp in Claude Code signs in",
            text: format!("claude mcp add --transport http clerk {endpoint}"),
        },
        ClientSetup {
            client: "Cursor",
            place: "in .cursor/mcp.json or ~/.cursor/mcp.json",
            text: format!("{cursor:#}"),
        },
        ClientSetup {
            client: "VS Code",
            place: "in a terminal",
            text: format!("code --add-mcp '{vs_code}'"),
        },
        ClientSetup {
            client: "MCP Inspector",
            place: "in a terminal; it opens a page",
            text: format!("npx @modelcontextprotocol/inspector --transport http --server-url {endpoint}"),
        },
    ]
}
