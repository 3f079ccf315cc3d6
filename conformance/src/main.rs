//! The program `clerk-mcp-conformance`.

mod cli;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use clerk_mcp_conformance::redact::redact_text;
use tracing_subscriber::EnvFilter;

use self::cli::CommandOutcome;

/// Faster than the allocator of the system for many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code after findings.
const FINDINGS: u8 = 1;

/// The exit code without a result: invalid arguments (clap uses the same code), or something could not be
/// started or read.
const NO_RESULT: u8 = 2;

/// The exit code after a signal is this plus the number of the signal, as shells report it.
const SIGNAL_BASE: u8 = 128;

/// Conformance suite for MCP servers that accept OAuth tokens, from Clerk or any other issuer, in any
/// language. Includes a local Clerk for development.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  clerk-mcp-conformance run --profile clerk-mcp --command target/debug/clerk-mcp
  clerk-mcp-conformance run --url https://mcp.example.com/mcp
  clerk-mcp-conformance explain claims.expired
  clerk-mcp-conformance clerk --port 4567

Exit codes: 0 success, 1 findings, 2 invalid arguments or no result, 130 stopped by Ctrl-C."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a local Clerk with sample users: Frontend API and Backend API, state in memory.
    #[command(after_help = cli::clerk::EXAMPLES)]
    Clerk(cli::clerk::Arguments),
    /// Test a server and report every case.
    #[command(after_help = cli::run::EXAMPLES)]
    Run(Box<cli::run::Arguments>),
    /// List the cases.
    #[command(after_help = cli::list::EXAMPLES)]
    List(cli::list::Arguments),
    /// Explain one case: requirement, reason, references, request and expected answer.
    #[command(after_help = cli::explain::EXAMPLES)]
    Explain(cli::explain::Arguments),
    /// Create a valid or invalid token from a recipe.
    #[command(after_help = cli::mint::EXAMPLES)]
    Mint(cli::mint::Arguments),
    /// Compare the JSON reports of two runs.
    #[command(after_help = cli::compare::EXAMPLES)]
    Compare(cli::compare::Arguments),
    /// Print the JSON Schema of case files, profiles, baselines or token recipes.
    #[command(after_help = cli::schema::EXAMPLES)]
    Schema(cli::schema::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // `--help` and `--version`.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            // The message repeats the invalid argument, which may be a token.
            let _ = writeln!(io::stderr(), "{}", redact_text(&error.render().to_string()));
            return ExitCode::from(NO_RESULT);
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(io::stderr)
        .init();
    let outcome = match cli.command {
        Command::Clerk(arguments) => cli::clerk::run(arguments).await.map(|()| CommandOutcome::Clean),
        Command::Run(arguments) => cli::run::run(*arguments).await,
        Command::List(arguments) => cli::list::run(&arguments).map(|()| CommandOutcome::Clean),
        Command::Explain(arguments) => cli::explain::run(&arguments).map(|()| CommandOutcome::Clean),
        Command::Mint(arguments) => cli::mint::run(arguments).await.map(|()| CommandOutcome::Clean),
        Command::Compare(arguments) => cli::compare::run(&arguments),
        Command::Schema(arguments) => cli::schema::run(&arguments).map(|()| CommandOutcome::Clean),
    };
    match outcome {
        Ok(CommandOutcome::Clean) => ExitCode::SUCCESS,
        Ok(CommandOutcome::Findings) => ExitCode::from(FINDINGS),
        Ok(CommandOutcome::Interrupted(signal)) => ExitCode::from(SIGNAL_BASE + signal),
        Err(error) => {
            let text = redact_text(&with_causes(&error));
            // If stderr is closed, the error cannot be reported.
            let _ = writeln!(io::stderr(), "error: {text}");
            ExitCode::from(NO_RESULT)
        }
    }
}

/// Returns an error with its causes, except causes that its message already contains.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
