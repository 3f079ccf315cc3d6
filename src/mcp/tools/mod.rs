//! The four example tools: what a tool of a Clerk-protected server looks like. One file each.

mod arguments;
mod get_my_organizations;
mod get_user_info;
mod greet;
mod whoami;

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::{router::tool::ToolRouter, tool::ToolCallContext},
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        JsonObject, ListToolsResult, PaginatedRequestParams, ProtocolVersion, ServerCapabilities,
        ServerConfig, Tool,
    },
    service::RequestContext,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::json;

/// The MCP server with the example tools `greet`, `whoami`, `get-user-info` and `get-my-organizations`. All of them
/// read, none writes.
#[derive(Debug, Clone)]
pub struct ExampleTools {
    /// Built once: rmcp's macro would build it anew for each call.
    router: Arc<ToolRouter<Self>>,
    name: Arc<str>,
}

impl ExampleTools {
    /// The server, under the name that clients show.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let mut router = Self::greet_router()
            + Self::whoami_router()
            + Self::get_user_info_router()
            + Self::get_my_organizations_router();
        for route in router.map.values_mut() {
            route.attr.output_schema = route.attr.output_schema.take().map(json::with_null_branches);
        }
        Self {
            router: Arc::new(router),
            name: name.into(),
        }
    }
}

impl ServerHandler for ExampleTools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(
                Implementation::new("clerk-mcp", env!("CARGO_PKG_VERSION")).with_title(self.name.to_string()),
            )
            .with_instructions(
                "This server tells the signed-in user about their own Clerk account: who they are, and which \
                 organizations they belong to.",
            )
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut result = ListToolsResult::with_all_items(self.router.list_all());
        // Caching hints exist since 2026-07-28. The list is the same for everyone, but who may see it is not.
        if context
            .protocol_version()
            .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
        {
            result.ttl_ms = Some(TOOL_LIST_TTL_MS);
            result.cache_scope = Some(CacheScope::Private);
        }
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = self.router.get(&request.name) else {
            return Err(ErrorData::invalid_params(
                format!("Unknown tool: {}", request.name),
                None,
            ));
        };
        // A result, not a protocol error: the model reads it and can mend its call (MCP, "Tools", error handling).
        let none = JsonObject::new();
        let arguments = request.arguments.as_ref().unwrap_or(&none);
        if let Some(fault) = arguments::fault(&tool.input_schema, arguments) {
            return Ok(CallToolResult::error(vec![ContentBlock::text(fault)]).into());
        }
        self.router
            .call(ToolCallContext::new(self, request, context))
            .await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.router.get(name).cloned()
    }
}

/// The input of a tool that takes none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoInput {}

/// The list changes with a release of the server only.
const TOOL_LIST_TTL_MS: u64 = 5 * 60 * 1000;
