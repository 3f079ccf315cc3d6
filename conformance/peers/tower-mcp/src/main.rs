//! tower-mcp with `JwksValidator`, as in its guide about OAuth:
//! <https://docs.rs/tower-mcp/0.25.0/tower_mcp/guides/oauth/>

use std::env::var;
use tower_mcp::extract::Context;
use tower_mcp::oauth::{JwksValidator, ProtectedResourceMetadata, ScopePolicy, TokenClaims};
use tower_mcp::{BoxError, CallToolResult, HttpTransport, McpRouter, ToolBuilder};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let resource = var("MCP_URL")?;
    let issuer = var("CLERK_ISSUER")?;

    let whoami = ToolBuilder::new("whoami")
        .description("Returns the id of the caller")
        .extractor_handler((), |context: Context| async move {
            let claims = context.extensions().get::<TokenClaims>();
            Ok(CallToolResult::text(claims.and_then(|claims| claims.sub.clone()).unwrap_or_default()))
        })
        .build();

    let validator = JwksValidator::builder(var("CLERK_JWKS_URI")?)
        .expected_issuer(&issuer)
        .expected_audience(&resource)
        .build()
        .await?;
    let metadata = ProtectedResourceMetadata::new(&resource).authorization_server(&issuer);
    let app = HttpTransport::new(McpRouter::new().server_info("tower-mcp", "1.0.0").tool(whoami))
        .into_oauth_router_at("/mcp", validator, metadata, ScopePolicy::new())?;

    let listener = tokio::net::TcpListener::bind(format!("{}:{}", var("HOST")?, var("PORT")?)).await?;
    Ok(axum::serve(listener, app).await?)
}
