//! The command line: starts a local Clerk and says how to use it.

use std::{
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use clerk_mcp_conformance::clerk::{LocalClerk, SampleUser};
use serde_json::{Map, Value, json};
use tracing_subscriber::EnvFilter;

/// Nothing could be started, or the arguments were wrong (clap uses the same code).
const TROUBLE: u8 = 2;

/// A local Clerk for developing and testing MCP servers.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 success, 2 wrong arguments or trouble starting."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a local Clerk: Frontend API and Backend API with sample users, state in memory.
    #[command(after_help = "Examples:
  clerk-mcp-conformance clerk
      A free port; prints the environment for the server that is to use it.
  clerk-mcp-conformance clerk --port 4567 --auto-approve ada@example.com
      A fixed port; Ada signs in and consents without a page, for scripts.
  clerk-mcp-conformance clerk --json | jq -r '.environment | to_entries[] | \"\\(.key)=\\(.value)\"'
      The environment, in the form of a .env file.

Stops on Ctrl-C or SIGTERM. Exit codes: 0 stopped, 2 could not start.")]
    Clerk(ClerkArguments),
}

#[derive(Args)]
struct ClerkArguments {
    /// Port to listen on; 0 picks a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Address to listen on. Whoever reaches it can act as any sample user.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Sign this user (id, email address or first name) in without showing a page.
    #[arg(long, value_name = "USER")]
    auto_approve: Option<String>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(io::stderr)
        .init();
    let result = match cli.command {
        Command::Clerk(arguments) => run_clerk(arguments).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere left to complain when stderr is closed.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(TROUBLE)
        }
    }
}

async fn run_clerk(arguments: ClerkArguments) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let mut builder = LocalClerk::builder().bind(SocketAddr::new(arguments.host, arguments.port));
    if let Some(user) = arguments.auto_approve {
        builder = builder.auto_approve(user);
    }
    let clerk = builder.start().await?;
    let text = if arguments.json {
        as_json(&clerk)?
    } else {
        as_text(&clerk)?
    };
    print(&text).context("cannot write to stdout")?;
    stop.await;
    clerk.stop().await;
    Ok(())
}

/// Resolves on Ctrl-C or SIGTERM. The handlers are in place when this returns.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("cannot listen for SIGTERM")?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    // A script that reads the environment waits for it.
    stdout.flush()
}

fn as_text(clerk: &LocalClerk) -> anyhow::Result<String> {
    let mut lines = vec![
        format!("Local Clerk on {}", clerk.frontend_api_url()),
        String::new(),
        "Environment of the server under test (.env):".to_owned(),
    ];
    lines.extend(
        clerk
            .environment()
            .into_iter()
            .map(|(name, value)| format!("  {name}={value}")),
    );
    lines.extend([String::new(), "Sample users:".to_owned()]);
    let users = clerk.sample_users();
    for user in &users {
        lines.push(format!(
            "  {} {} <{}>  {}",
            user.first_name, user.last_name, user.email, user.id
        ));
        for organization in &user.organizations {
            lines.push(format!("      {} as {}", organization.name, organization.role));
        }
        if user.organizations.is_empty() {
            lines.push("      no organization".to_owned());
        }
    }
    if let Some(user) = users.first() {
        lines.extend([
            String::new(),
            format!("A session token of {} (60 s):", user.first_name),
            format!("  {}", clerk.session_token(&user.id)?.mint()),
        ]);
    }
    lines.extend([
        String::new(),
        "OAuth clients discover, register and sign in here:".to_owned(),
        format!("  {}/.well-known/oauth-authorization-server", clerk.issuer()),
        String::new(),
        "Ctrl-C stops it.".to_owned(),
    ]);
    Ok(lines.join("\n"))
}

fn as_json(clerk: &LocalClerk) -> anyhow::Result<String> {
    let environment: Map<String, Value> = clerk
        .environment()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    let users = clerk
        .sample_users()
        .iter()
        .map(|user| user_json(clerk, user))
        .collect::<anyhow::Result<Vec<Value>>>()?;
    Ok(json!({
        "frontendApiUrl": clerk.frontend_api_url(),
        "backendApiUrl": clerk.backend_api_url(),
        "publishableKey": clerk.publishable_key(),
        "instanceId": clerk.instance_id(),
        "environment": environment,
        "users": users,
    })
    .to_string())
}

fn user_json(clerk: &LocalClerk, user: &SampleUser) -> anyhow::Result<Value> {
    let organizations: Vec<Value> = user
        .organizations
        .iter()
        .map(|organization| {
            json!({
                "id": organization.id,
                "slug": organization.slug,
                "name": organization.name,
                "role": organization.role,
            })
        })
        .collect();
    Ok(json!({
        "id": user.id,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "email": user.email,
        "organizations": organizations,
        "sessionToken": clerk.session_token(&user.id)?.mint(),
    }))
}
