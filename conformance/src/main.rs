//! The command line.

mod cli;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use clerk_mcp_conformance::redact::redact_text;
use tracing_subscriber::EnvFilter;

use self::cli::End;

/// Something was found.
const FINDINGS: u8 = 1;

/// There is no result: the arguments were wrong (clap uses the same code), or something could not be started or read.
const TROUBLE: u8 = 2;

/// A signal came, whose number is added: what a shell says of a program that it ended.
const SIGNAL: u8 = 128;

/// Judges MCP servers that Clerk protects, in any language; and a local Clerk to develop and test them with.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  clerk-mcp-conformance run --profile clerk-mcp --command target/debug/clerk-mcp
  clerk-mcp-conformance run --url https://mcp.example.com/mcp
  clerk-mcp-conformance explain claims.expired
  clerk-mcp-conformance clerk --port 4567

Exit codes: 0 success, 1 findings, 2 wrong arguments or no result, 130 after Ctrl-C."
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
    /// Judge a server, case by case.
    #[command(after_help = cli::run::EXAMPLES)]
    Run(Box<cli::run::Arguments>),
    /// List the cases.
    #[command(after_help = cli::list::EXAMPLES)]
    List(cli::list::Arguments),
    /// Explain one case: requirement, reference, what is sent, what is expected, and why.
    #[command(after_help = cli::explain::EXAMPLES)]
    Explain(cli::explain::Arguments),
    /// Make a token from a recipe, right or wrong.
    #[command(after_help = cli::mint::EXAMPLES)]
    Mint(cli::mint::Arguments),
    /// Compare two runs by their JSON reports.
    #[command(after_help = cli::compare::EXAMPLES)]
    Compare(cli::compare::Arguments),
    /// Print the JSON Schema of the files of cases, or of another kind.
    #[command(after_help = cli::schema::EXAMPLES)]
    Schema(cli::schema::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and the version.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            // The message repeats the invalid argument, which may be a token.
            let _ = writeln!(io::stderr(), "{}", redact_text(&error.render().to_string()));
            return ExitCode::from(TROUBLE);
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(io::stderr)
        .init();
    let end = match cli.command {
        Command::Clerk(arguments) => cli::clerk::run(arguments).await.map(|()| End::Clean),
        Command::Run(arguments) => cli::run::run(*arguments).await,
        Command::List(arguments) => cli::list::run(&arguments).map(|()| End::Clean),
        Command::Explain(arguments) => cli::explain::run(&arguments).map(|()| End::Clean),
        Command::Mint(arguments) => cli::mint::run(arguments).await.map(|()| End::Clean),
        Command::Compare(arguments) => cli::compare::run(&arguments),
        Command::Schema(arguments) => cli::schema::run(&arguments).map(|()| End::Clean),
    };
    match end {
        Ok(End::Clean) => ExitCode::SUCCESS,
        Ok(End::Findings) => ExitCode::from(FINDINGS),
        Ok(End::Interrupted(signal)) => ExitCode::from(SIGNAL + signal),
        Err(error) => {
            let text = redact_text(&with_causes(&error));
            // Nowhere left to complain when stderr is closed.
            let _ = writeln!(io::stderr(), "error: {text}");
            ExitCode::from(TROUBLE)
        }
    }
}

/// An error with its causes, but for those that it tells itself.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
