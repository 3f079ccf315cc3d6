//! The command line: from arguments and environment to a configuration, from a failure to an exit code.

mod demo;
mod doctor;
mod error;
mod explain;
mod logging;
mod metrics;
mod openapi;
mod output;
mod process;
mod serve;
mod settings;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::{
    demo::DemoArgs, doctor::DoctorArgs, error::EXIT_CODES, explain::ExplainArgs, openapi::DocumentVariables,
    settings::Settings,
};

/// An MCP server that Clerk protects.
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    args_conflicts_with_subcommands = true,
    after_help = format!("{EXAMPLES}\n\nEvery variable has a flag: see --help."),
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (what happens without a command)
    Serve(Settings),
    /// Run the server beside a local Clerk: no account, no network, nothing to configure
    Demo(DemoArgs),
    /// Check the configuration against the live Clerk and the running server
    Doctor(DoctorArgs),
    /// Read a token, and show what this server makes of it and why
    Explain(ExplainArgs),
    /// Print the OpenAPI document
    #[command(
        name = "openapi",
        after_help = "Example:\n  clerk-mcp openapi --yaml > openapi.yaml"
    )]
    OpenApi {
        /// As YAML instead of JSON
        #[arg(long)]
        yaml: bool,
        #[command(flatten)]
        settings: Settings<DocumentVariables>,
    },
}

/// Runs the program.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve::run(&cli.settings),
        Some(Command::Serve(settings)) => serve::run(&settings),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Doctor(args)) => doctor::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::OpenApi { yaml, settings }) => openapi::run(&settings, yaml),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            output::note(&failure);
            failure.exit_code()
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  clerk-mcp demo
  clerk-mcp --port 8080
  CLERK_SECRET_KEY=sk_test_… CLERK_DOMAIN=….clerk.accounts.dev \\
    BASE_URL=http://localhost:3001 clerk-mcp
  clerk-mcp doctor
  clerk-mcp explain < token.txt
  clerk-mcp openapi --yaml";
