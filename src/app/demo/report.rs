//! [`DemoReport`]: the URLs, sample users and tokens that a demo prints as text or JSON, and the part of them
//! that the start page shows.

use std::fmt::Write as _;

use local_clerk::MintError;
use rmcp::{ServerHandler, model::Tool};
use serde::Serialize;
use serde_json::json;

use super::{Demo, DemoError, tokens};
use crate::{
    app::AppBuilder,
    mcp,
    public::{BrokenRequest, ClientSetup, DemoContent, DemoUser, client_setups, sample_arguments},
    token::ResourceNames,
};

/// Everything that the demo prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DemoReport {
    /// The name of the server.
    #[serde(skip)]
    name: String,
    /// Whether the program `clerk-mcp` runs the demo, so that the text may name its flags.
    #[serde(skip)]
    in_program: bool,
    page: String,
    mcp_endpoint: String,
    docs: String,
    clerk: ClerkDetails,
    users: Vec<DemoUser>,
    curl: String,
    clients: Vec<ClientSetup>,
    /// What differs from the default, such as another port.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClerkDetails {
    frontend_api_url: String,
    backend_api_url: String,
    publishable_key: String,
}

impl DemoReport {
    /// Makes a token for each sample user, with every scope that a tool of `app` requires.
    pub(super) async fn new<H: ServerHandler + Clone>(
        demo: &Demo,
        app: &AppBuilder<'_, H>,
    ) -> Result<Self, DemoError> {
        let (clerk, config) = (&demo.clerk, &demo.config);
        let names = ResourceNames::new(&config.base_url);
        // Duplicate scopes do no harm.
        let scopes = [config.scopes.as_slice(), &config.required_scopes].concat();
        let scopes = app.options.policy.with_tool_scopes(scopes);
        let users = tokens::of_sample_users(clerk, &scopes, names.mcp()).map_err(MintError::from)?;
        let token = users.first().map(|user| user.token.as_str()).unwrap_or_default();
        let tools = mcp::published_tools(app.server.clone()).await;
        let info = app.server.get_info().server_info;
        Ok(Self {
            name: info.title.unwrap_or(info.name),
            in_program: demo.in_program,
            page: format!("{}/", names.base()),
            mcp_endpoint: names.mcp().to_owned(),
            docs: format!("{}/docs", names.base()),
            clerk: ClerkDetails {
                frontend_api_url: clerk.frontend_api_url().to_owned(),
                backend_api_url: clerk.backend_api_url().to_owned(),
                publishable_key: clerk.publishable_key().to_owned(),
            },
            curl: curl(names.mcp(), token, &tools),
            clients: client_setups(names.mcp()),
            users,
            notes: demo.notes.clone(),
        })
    }

    pub(super) fn page_content(&self, broken_requests: Vec<BrokenRequest>) -> DemoContent {
        DemoContent {
            users: self.users.clone(),
            curl: self.curl.clone(),
            clerk_url: self.clerk.frontend_api_url.clone(),
            broken_requests,
            in_program: self.in_program,
        }
    }

    /// Formats the report as JSON.
    pub(crate) fn json(&self) -> String {
        // A struct of strings always serializes.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Formats the report for a terminal: without color, and in 80 columns except for text to copy. Without
    /// the tokens it fits one screen of 24 lines.
    pub(crate) fn text(&self, with_tokens: bool) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{}: a demo with a local Clerk, running on this machine.\n",
            self.name
        );
        let _ = writeln!(text, "  Page      {}", self.page);
        let _ = writeln!(text, "  MCP       {}", self.mcp_endpoint);
        let _ = writeln!(text, "  API docs  {}", self.docs);
        let _ = writeln!(text, "  Clerk     {}/", self.clerk.frontend_api_url);
        for note in &self.notes {
            let _ = writeln!(text, "\n{}", textwrap::fill(note, 80));
        }
        let _ = writeln!(text, "\nOpen the page to call the tools as a sample user.");
        if with_tokens {
            self.write_setups(&mut text);
            self.write_tokens(&mut text);
        } else if let Some(ClientSetup {
            client, text: setup, ..
        }) = self.clients.first()
        {
            let _ = writeln!(
                text,
                "Or connect {client}, and sign in as a sample user:\n\n  {setup}\n\n\
                 {}",
                if self.in_program {
                    TOKENS_HERE
                } else {
                    TOKENS_ON_THE_PAGE
                }
            );
        }
        // The last line is visible even in a small terminal.
        let _ = write!(text, "\nPress Ctrl-C to stop.");
        text
    }

    fn write_setups(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\nConnect a client. Use exactly this URL. You sign in as a sample user:\n"
        );
        for ClientSetup {
            client,
            place,
            text: setup,
        } in &self.clients
        {
            let _ = writeln!(text, "  {client} ({place})");
            for line in setup.lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
    }

    fn write_tokens(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\nOr use a token, without signing in. One per sample user, valid for one day:"
        );
        for user in &self.users {
            let _ = writeln!(
                text,
                "\n  {} <{}>\n  {}\n{}",
                user.name, user.email, user.about, user.token
            );
        }
        let _ = writeln!(
            text,
            "\nOr call a tool now. This command works as printed:\n\n{}",
            self.curl
        );
    }
}

/// Returns a command that calls the first of `tools` without required arguments, or the first tool.
fn curl(endpoint: &str, token: &str, tools: &[Tool]) -> String {
    let without_arguments = |tool: &&Tool| sample_arguments(&tool.input_schema) == json!({});
    let message = match tools.iter().find(without_arguments).or_else(|| tools.first()) {
        Some(tool) => json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool.name, "arguments": sample_arguments(&tool.input_schema) },
        }),
        None => json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} }),
    };
    // A shell would end the quoted text at an apostrophe.
    let message = message.to_string().replace('\'', "\\u0027");
    format!(
        "curl -s {endpoint} -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
         -H 'Accept: application/json, text/event-stream' -d '{message}'"
    )
}

const TOKENS_HERE: &str = "\
The page has the setup of other clients. --tokens prints it here, with a token
per sample user.";
const TOKENS_ON_THE_PAGE: &str = "\
The page has the setup of other clients, and a token per sample user.";
