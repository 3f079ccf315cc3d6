//! An MCP server protected by Clerk. `cargo run` starts it with the configuration from the environment and `.env`.
//! `cargo run -- demo` starts it with a local Clerk, and needs no configuration.

#[cfg(test)]
mod tests;
mod tools;

use clerk_mcp::{
    app::{self, App, AppBuilder},
    config::Config,
    policy::{Requirement, ToolPolicy},
};
use tools::Tools;

/// Returns the server: its tools, and what each of them requires of its caller.
fn server(config: &Config) -> AppBuilder<'_, Tools> {
    // The user must let the client see their email address. Roles and permissions in an organization are
    // `Requirement::new().role("org:admin")` and `.permissions(["org:orders:create"])`.
    let policy = ToolPolicy::new().require("place-order", Requirement::new().scopes(["email"]));
    App::builder(config).server(Tools).policy(policy)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1).as_deref() {
        None => {
            let config = Config::from_env()?;
            start_log(&config.log_filter);
            let app = server(&config).build()?;
            let listener = app::listen(&config).await?;
            eprintln!("listening on http://{}", listener.local_addr()?);
            app.run(listener, app::shutdown_signal()?).await?;
        }
        Some("demo") => {
            start_log("warn,clerk_mcp=info,my_server=info");
            App::demo(server).await?;
        }
        Some(other) => return Err(format!("unknown argument {other:?}: expected demo or nothing").into()),
    }
    Ok(())
}

/// Logs to stderr.
fn start_log(filter: &str) {
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
