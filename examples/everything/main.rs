//! An MCP server behind Clerk that uses every feature of MCP: tools that return each kind of content, report
//! progress, log and ask their client, in both eras of the protocol; resources, prompts, completion and
//! subscriptions.
//!
//! The official checker (`@modelcontextprotocol/conformance`) requires these tool, resource and prompt names;
//! the server passes it (`just mcp-conformance`). For a minimal server, see the example `quickstart`.
//!
//! ```sh
//! CLERK_SECRET_KEY=sk_test_… CLERK_DOMAIN=….clerk.accounts.dev BASE_URL=http://127.0.0.1:3001 \
//!     cargo run --example everything
//! ```

mod answers;
mod prompts;
mod questions;
mod resources;
mod rounds;
mod session;
mod state;
mod work;

use std::{sync::Arc, time::Duration};

use clerk_mcp::{app::App, config::Config, mcp::McpSessions};
#[expect(deprecated, reason = "clients of 2025-11-25 still use it")]
use rmcp::model::{SetLevelRequestParams, SubscribeRequestParams, UnsubscribeRequestParams};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::{router::tool::ToolRouter, tool::ToolCallContext},
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
        GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
        SubscriptionFilter, Tool,
    },
    service::{RequestContext, SubscriptionContext},
};

use self::{session::SessionSettings, state::StateKey, work::Changes};

/// The server. The library clones it for each session, and for each request without one.
#[derive(Clone)]
struct Everything {
    tools: Arc<ToolRouter<Self>>,
    /// Signs the state that a client carries from one round of questions to the next.
    key: StateKey,
    /// Announces changed lists to subscribers.
    changes: Changes,
    /// The settings that a client of 2025-11-25 has made for its session.
    session: SessionSettings,
}

impl Everything {
    fn new() -> Self {
        Self {
            tools: Arc::new(Self::answers() + Self::work() + Self::questions() + Self::rounds()),
            key: StateKey::random(),
            changes: Changes::default(),
            session: SessionSettings::default(),
        }
    }
}

/// The cache lifetime of lists and resources. They are private: only authenticated users may see them.
const TTL_MS: u64 = 60_000;

#[expect(
    deprecated,
    reason = "clients of 2025-11-25 subscribe and set a log level by request"
)]
impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_logging()
            .enable_completions()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_prompts_list_changed()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("everything", env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.list_all())
            .with_ttl_ms(TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.tools
            .call(ToolCallContext::new(self, request, context))
            .await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.get(name).cloned()
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::list())
            .with_ttl_ms(TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(
            ListResourceTemplatesResult::with_all_items(resources::templates())
                .with_ttl_ms(TTL_MS)
                .with_cache_scope(CacheScope::Private),
        )
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let result = resources::read(&request.uri)?;
        Ok(result
            .with_ttl_ms(TTL_MS)
            .with_cache_scope(CacheScope::Private)
            .into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        resources::read(&request.uri)?;
        self.session.watch(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.session.unwatch(&request.uri);
        Ok(())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::list())
            .with_ttl_ms(TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&request)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        prompts::complete(&request)
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.session.set_log_level(request.level);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        // rmcp removes what `get_info` does not announce.
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.changes.forward_to(&context).await;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    let listener = tokio::net::TcpListener::bind(config.listen).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    App::builder(&config)
        .server(Everything::new())
        // A tool can ask a client of 2025-11-25 or older only in a session. Clients of 2026-07-28 need none.
        .sessions(McpSessions::default())
        // The time limit includes the time that a user takes to answer.
        .call_timeout(Duration::from_mins(5))
        .build()?
        .run(listener, std::future::pending())
        .await?;
    Ok(())
}
