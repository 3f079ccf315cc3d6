//! A Clerk-protected MCP server with two tools.
//!
//! ```sh
//! CLERK_SECRET_KEY=sk_test_… CLERK_DOMAIN=….clerk.accounts.dev BASE_URL=http://127.0.0.1:3001 \
//!     cargo run --example quickstart
//! ```

use clerk_mcp::{app::App, config::Config, context, mcp::ToolError};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

#[derive(Clone)]
struct MyTools;

#[tool_router]
impl MyTools {
    /// Only needs the identity of the caller. It comes from the token, so Clerk is not called.
    #[tool(name = "my-id", description = "Returns the Clerk user ID of the caller.")]
    async fn my_id(&self) -> Result<String, ToolError> {
        Ok(context::get_session()?.require_user()?.to_string())
    }

    /// Loads the profile of the caller from Clerk.
    #[tool(name = "my-name", description = "Returns the first name of the caller.")]
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
