//! Scopes, roles and permissions per tool. A caller who lacks one gets 403 before the tool runs. If signing
//! in again helps, the response names the scopes to request: the scopes of the tool, and `user:org:read` for
//! a role or a permission. Many clients cannot request more scopes later, so set
//! `SCOPES=profile,email,user:org:read` to request them at the first sign-in. One tool is public: it needs no token.
//!
//! ```sh
//! CLERK_SECRET_KEY=sk_test_… CLERK_DOMAIN=….clerk.accounts.dev BASE_URL=http://127.0.0.1:3001 \
//!     cargo run --example policy
//! ```

use clerk_mcp::{
    app::{self, App},
    config::Config,
    context,
    mcp::ToolError,
    policy::{Requirement, ToolPolicy},
};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

#[derive(Clone)]
pub struct Invoices;

#[tool_router]
impl Invoices {
    #[tool(
        name = "list-plans",
        description = "Lists the plans that customers can choose."
    )]
    async fn plans(&self) -> String {
        "free, pro".to_owned()
    }

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
        let organization = context::get_organization().await?;
        let slug = organization.and_then(|organization| organization.slug);
        Ok(format!("No invoices in {}", slug.unwrap_or_default()))
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

/// Returns what a caller needs for each tool.
pub fn policy() -> ToolPolicy {
    ToolPolicy::new()
        // Callers without a token can discover the server and call this tool.
        .public("list-plans")
        // What the user lets the client do. Session tokens have no scopes.
        .require("my-plan", Requirement::new().scopes(["email"]))
        // What the user may do in the active organization. A session token contains it; for an OAuth token it
        // is looked up at Clerk, at most every 30 s.
        .require(
            "list-invoices",
            Requirement::new().permissions(["org:reports:read"]),
        )
        .require("delete-invoices", Requirement::new().role("org:admin"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    tracing_subscriber::fmt()
        .with_env_filter(&config.log_filter)
        .with_writer(std::io::stderr)
        .init();
    let listener = app::listen(&config).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let app = App::builder(&config).server(Invoices).policy(policy()).build()?;
    app.run(listener, app::shutdown_signal()?).await?;
    Ok(())
}
