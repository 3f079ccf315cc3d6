//! A server with any number of tools and policy entries, built with the library.

use std::{collections::HashMap, sync::Arc};

use clerk_mcp::{
    app::App,
    config::{Config, Variables},
    policy::{Requirement, ToolPolicy},
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The name of the tool that is called. The policy has an entry for it, if it has any.
pub(crate) const TOOL: &str = "tool-0";

#[derive(Clone)]
struct ManyTools(Arc<Vec<Tool>>);

impl ManyTools {
    fn new(count: usize) -> Self {
        let schema = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
        let Value::Object(schema) = schema else {
            return Self(Arc::default());
        };
        let schema = Arc::new(schema);
        let tool = |number| Tool::new(format!("tool-{number}"), "Greets.", Arc::clone(&schema));
        Self(Arc::new((0..count).map(tool).collect()))
    }
}

impl ServerHandler for ManyTools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.0.to_vec()))
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text("Hello, Ada!")]).into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.iter().find(|tool| tool.name == name).cloned()
    }
}

/// Serves this many `tools` on `port`, the first `entries` of which require a scope, as the environment
/// configures it.
#[expect(
    clippy::disallowed_methods,
    reason = "reads the configuration, as the program does"
)]
pub(crate) async fn serve(port: u16, tools: usize, entries: usize) -> std::io::Result<()> {
    let lookup = |name: &str| std::env::var(name).ok();
    let variables = Variables::from_sources(&HashMap::new(), lookup, None).unwrap();
    let policy = (0..entries).fold(ToolPolicy::new(), |policy, number| {
        policy.require(format!("tool-{number}"), Requirement::new().scopes(["email"]))
    });
    let app = App::builder(&Config::from_variables(&variables).unwrap())
        .server(ManyTools::new(tools))
        .direct_tools((0..tools).map(|number| format!("tool-{number}")))
        .policy(policy)
        .build()
        .unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    app.run(listener, std::future::pending()).await
}
