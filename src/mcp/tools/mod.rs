//! [`ExampleTools`]: four example tools of a Clerk-protected server, and a fifth one for the demo. Each has
//! its own file.

mod get_my_organizations;
mod get_user_info;
mod greet;
#[cfg(feature = "cli")]
mod organization_report;
mod whoami;

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::{router::tool::ToolRouter, tool::ToolCallContext},
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult,
        PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::tool_error::ToolError;
use crate::{
    context::{GetOrganizationError, get_organization, get_session},
    mcp::json,
    session::Session,
};

/// An MCP server with the read-only example tools `greet`, `whoami`, `get-user-info` and
/// `get-my-organizations`.
#[derive(Debug, Clone)]
pub struct ExampleTools {
    /// Built once, because rmcp's macro would build it for each call.
    router: Arc<ToolRouter<Self>>,
    name: Arc<str>,
}

impl ExampleTools {
    /// Creates the server. Clients show `name` as its title.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self::with_router(name, Self::router())
    }

    /// Creates the server of the demo. It also has `organization-report`, which only admins may call.
    #[cfg(feature = "cli")]
    pub(crate) fn for_demo(name: impl Into<Arc<str>>) -> Self {
        Self::with_router(name, Self::router() + Self::organization_report_router())
    }

    fn router() -> ToolRouter<Self> {
        Self::greet_router()
            + Self::whoami_router()
            + Self::get_user_info_router()
            + Self::get_my_organizations_router()
    }

    fn with_router(name: impl Into<Arc<str>>, mut router: ToolRouter<Self>) -> Self {
        for route in router.map.values_mut() {
            route.attr.output_schema = route.attr.output_schema.take().map(json::with_null_branches);
        }
        Self {
            router: Arc::new(router),
            name: name.into(),
        }
    }

    /// Returns the names of the tools.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.router.map.keys().map(AsRef::as_ref)
    }
}

impl ServerHandler for ExampleTools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(
                Implementation::new("clerk-mcp", env!("CARGO_PKG_VERSION")).with_title(self.name.to_string()),
            )
            .with_instructions(
                "This server gives the signed-in user information about their own Clerk account: their profile, and \
                 the organizations that they belong to.",
            )
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut result = ListToolsResult::with_all_items(self.router.list_all());
        // Cache hints exist since 2026-07-28. The list is the same for all users, but only authenticated ones
        // may see it.
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
        if self.router.get(&request.name).is_none() {
            return Err(ErrorData::invalid_params(
                format!("Unknown tool: {}", request.name),
                None,
            ));
        }
        self.router
            .call(ToolCallContext::new(self, request, context))
            .await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.router.get(name).cloned()
    }
}

/// Returns the caller's session with the current role and permissions. A caller whose membership has ended
/// has neither.
async fn session_with_role() -> Result<Arc<Session>, ToolError> {
    match get_organization().await {
        Ok(_) | Err(GetOrganizationError::NotAMember) => Ok(get_session()?),
        Err(error) => Err(error.into()),
    }
}

/// The input of a tool without arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoInput {}

/// The list changes only with a new release of the server.
const TOOL_LIST_TTL_MS: u64 = 5 * 60 * 1000;
