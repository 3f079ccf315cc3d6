//! Requires scopes, roles and permissions per tool. A call without them gets 403 before the tool runs, and the challenge
//! names the scopes that the client should request.
//!
//! ```sh
//! CLERK_SECRET_KEY=sk_test_… CLERK_DOMAIN=….clerk.accounts.dev BASE_URL=http://127.0.0.1:3001 \
//!     cargo run --example policy
//! ```

use clerk_mcp::{
    app::App,
    config::Config,
    context,
    mcp::ToolError,
    policy::{Requirement, ToolPolicy},
};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

#[derive(Clone)]
struct Invoices;

#[tool_router]
impl Invoices {
    #[tool(name = "my-plan", description = "Returns the plan of the caller.")]
    async fn plan(&self) -> Result<String, ToolError> {
        Ok(format!(
            "The plan of {} is: free.",
            context::get_session()?.require_user()?
        ))
    }

    #[tool(
        name = "list-invoices",
        description = "Lists the invoices of the active organization."
    )]
    async fn list(&self) -> Result<String, ToolError> {
        let session = context::get_session()?;
        Ok(format!("No invoices in {:?}", session.organization_slug))
    }

    #[tool(
        name = "delete-invoices",
        description = "Deletes all invoices of the active organization."
    )]
    async fn delete(&self) -> Result<String, ToolError> {
        // A check that depends on the arguments belongs in the tool itself.
        context::get_session()?.require_permission("org:billing:manage")?;
        Ok("Deleted.".to_owned())
    }
}

#[tool_handler(name = "policy", version = "1.0.0")]
impl ServerHandler for Invoices {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let config = Config::from_env()?;
    let policy = ToolPolicy::new()
        // Scopes are in OAuth tokens: what the user allowed the client to do.
        .require("my-plan", Requirement::new().scopes(["email"]))
        // Permissions and roles: what the user may do in the active organization.
        .require(
            "list-invoices",
            Requirement::new().permissions(["org:reports:read"]),
        )
        .require("delete-invoices", Requirement::new().role("org:admin"));
    let listener = tokio::net::TcpListener::bind(config.listen).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let app = App::builder(&config).server(Invoices).policy(policy).build()?;
    app.run(listener, std::future::pending()).await?;
    Ok(())
}
