//! A Clerk-protected MCP server with two tools of its own.
//!
//! ```sh
//! CLERK_SECRET_KEY=sk_test_… CLERK_DOMAIN=….clerk.accounts.dev BASE_URL=http://localhost:3001 \
//!     cargo run --example quickstart
//! ```

use clerk_mcp::{app::App, config::Config, context, mcp::ToolError};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

#[derive(Clone)]
struct MyTools;

#[tool_router]
impl MyTools {
    /// A tool that only needs to know who calls: the token says it, and Clerk isn't asked.
    #[tool(name = "my-id", description = "Tells the caller's Clerk user ID.")]
    async fn my_id(&self) -> Result<String, ToolError> {
        Ok(context::get_session()?.require_user()?.to_string())
    }

    /// A tool that asks Clerk about the caller.
    #[tool(name = "my-name", description = "Tells the caller's first name.")]
    async fn my_name(&self) -> Result<String, ToolError> {
        let user = context::get_user().await?;
        Ok(user.first_name.clone().unwrap_or_else(|| "nameless".to_owned()))
    }
}

#[tool_handler(name = "quickstart", version = "1.0.0")]
impl ServerHandler for MyTools {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let config = Config::from_env()?;
    let listener = tokio::net::TcpListener::bind(config.listen).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    App::builder(&config)
        .server(MyTools)
        .build()?
        .run(listener, std::future::pending())
        .await?;
    Ok(())
}
