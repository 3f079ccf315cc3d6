//! A Clerk-protected MCP server with two tools.
//!
//! ```sh
//! CLERK_SECRET_KEY=sk_test_… CLERK_DOMAIN=….clerk.accounts.dev BASE_URL=http://127.0.0.1:3001 \
//!     cargo run --example quickstart
//! ```

use clerk_mcp::{
    app::{self, App},
    config::Config,
    context,
    mcp::ToolError,
};
use rmcp::{ServerHandler, handler::server::wrapper::Parameters, tool, tool_handler, tool_router};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Greeting {
    /// The language of the greeting: en or de.
    language: String,
}

#[derive(Clone)]
struct MyTools;

#[tool_router]
impl MyTools {
    /// Returns the user ID of the caller. The ID comes from the token, so Clerk is not called.
    #[tool(name = "my-id", description = "Returns the Clerk user ID of the caller.")]
    async fn my_id(&self) -> Result<String, ToolError> {
        Ok(context::get_session()?.require_user()?.to_string())
    }

    /// Loads the profile of the caller from Clerk.
    #[tool(name = "greet-me", description = "Greets the caller by first name.")]
    async fn greet_me(&self, Parameters(input): Parameters<Greeting>) -> Result<String, ToolError> {
        let greeting = match input.language.as_str() {
            "en" => "Hello",
            "de" => "Hallo",
            _ => return Err(ToolError::failed("The argument `language` must be en or de.")),
        };
        let user = context::get_user().await?;
        Ok(format!(
            "{greeting}, {}!",
            user.first_name.as_deref().unwrap_or("friend")
        ))
    }
}

#[tool_handler(name = "quickstart", version = "1.0.0")]
impl ServerHandler for MyTools {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    tracing_subscriber::fmt()
        .with_env_filter(&config.log_filter)
        .with_writer(std::io::stderr)
        .init();
    let app = App::builder(&config).server(MyTools).build()?;
    let listener = app::listen(&config).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    app.run(listener, app::shutdown_signal()?).await?;
    Ok(())
}
