//! The reference servers: poem's "hello", and rmcp with a `greet` tool and without authentication.

use std::sync::Arc;

use poem::{
    EndpointExt, IntoEndpoint, Route, Server, endpoint::TowerCompatExt, get, handler, listener::TcpAcceptor,
};
use rmcp::{
    ServerHandler,
    handler::server::{router::tool::ToolRouter, wrapper::Parameters},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::TcpListener;

#[derive(Deserialize, JsonSchema)]
struct GreetInput {
    name: String,
}

#[derive(Clone)]
struct Tools {
    tool_router: Arc<ToolRouter<Self>>,
}

#[tool_router]
impl Tools {
    #[tool(name = "greet", description = "Greets.")]
    async fn greet(&self, Parameters(GreetInput { name }): Parameters<GreetInput>) -> String {
        format!("Hello, {name}! Your Clerk user ID is user_2sAdaLovelace0000000000000A")
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Tools {}

#[handler]
fn hello() -> &'static str {
    "hello"
}

/// Serves `/hello` and `/mcp` on `listener`, with the server that poem and rmcp bring along.
pub(crate) async fn serve(listener: TcpListener) -> std::io::Result<()> {
    Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?)
        .run(app())
        .await
}

/// Returns the endpoint with both routes.
fn app() -> impl IntoEndpoint + 'static {
    let tools = Tools {
        tool_router: Arc::new(Tools::tool_router()),
    };
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        // As in clerk-mcp, which checks the host itself.
        .disable_allowed_hosts();
    let mcp = StreamableHttpService::new(
        move || Ok(tools.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    Route::new()
        .at("/hello", get(hello))
        .nest("/mcp", mcp.compat())
        .map_to_response()
}
