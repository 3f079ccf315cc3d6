//! Setup instructions for common MCP clients, for the start page and the output of the demo.

use serde::Serialize;
use serde_json::json;

/// How to add this server to one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ClientSetup {
    /// The name of the client.
    pub(crate) client: &'static str,
    /// Where to use the text.
    pub(crate) place: &'static str,
    /// The command or configuration to copy.
    pub(crate) text: String,
}

/// Returns the setup instructions for a server whose MCP endpoint is `endpoint`.
pub(crate) fn client_setups(endpoint: &str) -> Vec<ClientSetup> {
    let cursor = json!({ "mcpServers": { "clerk": { "url": endpoint } } });
    let vs_code = json!({ "name": "clerk", "type": "http", "url": endpoint });
    vec![
        ClientSetup {
            client: "Claude Code",
            place: "in a terminal; then run /mcp in Claude Code to sign in",
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
            place: "in a terminal, with Node.js 22.19 or newer; opens a page in the browser",
            text: format!("npx @modelcontextprotocol/inspector --transport http --server-url {endpoint}"),
        },
    ]
}
