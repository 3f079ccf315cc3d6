//! The program's command line: reads the arguments, runs a command, and turns its result into an exit code.

mod admin_listener;
mod demo;
mod doctor;
mod error;
mod explain;
mod init;
mod json_lines;
mod log_output;
mod logging;
mod openapi;
mod output;
mod process;
mod serve;
mod settings;
#[cfg(feature = "otlp")]
mod telemetry;
#[cfg(not(feature = "otlp"))]
mod telemetry {
    /// Stands in for the exporter. It has no values, because nothing is exported without the feature `otlp`.
    #[derive(Debug)]
    pub(super) enum Telemetry {}
}

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::{
    demo::DemoArgs, doctor::DoctorArgs, error::EXIT_CODES, explain::ExplainArgs, init::InitArgs,
    openapi::DocumentVariables, settings::Settings,
};

/// An MCP server protected by Clerk
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    args_conflicts_with_subcommands = true,
    after_help = format!("{EXAMPLES}\n\nRun with --help to see the configuration flags."),
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
    /// Run the server (the default command)
    Serve(Settings),
    /// Run the server with a local Clerk: needs no account, no network and no configuration
    Demo(DemoArgs),
    /// Write a new server of your own: a tool, its policy, and tests
    Init(InitArgs),
    /// Check the configuration against Clerk and the running server
    Doctor(DoctorArgs),
    /// Show what a token contains, and whether this server accepts it and why
    Explain(ExplainArgs),
    /// Print the OpenAPI document
    #[command(
        name = "openapi",
        after_help = "Example:\n  clerk-mcp openapi --yaml > openapi.yaml"
    )]
    OpenApi {
        /// Print YAML instead of JSON
        #[arg(long)]
        yaml: bool,
        #[command(flatten)]
        settings: Settings<DocumentVariables>,
    },
}

/// Runs the program: parses the arguments, runs the command, and prints its error, if any.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve::run(&cli.settings),
        Some(Command::Serve(settings)) => serve::run(&settings),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Init(args)) => init::run(&args),
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
  clerk-mcp init shop
  clerk-mcp --port 8080
  CLERK_SECRET_KEY=sk_test_… CLERK_DOMAIN=….clerk.accounts.dev \\
    BASE_URL=http://127.0.0.1:3001 clerk-mcp
  clerk-mcp doctor
  clerk-mcp explain < token.txt
  clerk-mcp openapi --yaml";
