//! The command line.

mod cli;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
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
    #[command(after_help = cli::clerk::EXAMPLES)]
    Clerk(cli::clerk::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(io::stderr)
        .init();
    let result = match cli.command {
        Command::Clerk(arguments) => cli::clerk::run(arguments).await,
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
