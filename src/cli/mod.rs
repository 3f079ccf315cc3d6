//! The command line: from arguments and environment to a configuration, from a failure to an exit code.

mod demo;
mod doctor;
mod explain;
mod logging;
mod metrics;
mod output;
mod serve;
mod settings;

use std::{fmt, io, net::SocketAddr, process::ExitCode};

use clap::{Parser, Subcommand};
use clerk_mcp::{
    app::AppError,
    config::{ConfigError, Variables},
};
use local_clerk::{DirectoryError, StartError};
use thiserror::Error;

use self::{
    demo::DemoArgs,
    doctor::DoctorArgs,
    explain::ExplainArgs,
    serve::Published,
    settings::{Scope, Settings},
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
        settings: Settings<Published>,
    },
}

/// Runs the program.
pub(super) fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve::run(&cli.settings),
        Some(Command::Serve(settings)) => serve::run(&settings),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Doctor(args)) => doctor::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::OpenApi { yaml, settings }) => serve::print_openapi(&settings, yaml),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            output::note(&failure);
            failure.exit_code()
        }
    }
}

/// Why the program ends. `Display` says what is wrong and what to do.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error("[Clerk] Can't listen on {address}: {}. Set {} (--{}) to another one{}.", Reason(.source), .variable, .variable.to_lowercase().replace('_', "-"), if *.variable == "PORT" { ", or to 0 for a free one" } else { "" })]
    Listen {
        address: SocketAddr,
        variable: &'static str,
        source: io::Error,
    },
    #[error("[Clerk] The local Clerk could not start: {source}{}", Causes(.source))]
    LocalClerk {
        #[from]
        source: StartError,
    },
    #[error("[Clerk] The local Clerk can't listen on {address}: {}. Give it another --clerk-port.", Reason(.source))]
    ClerkPort { address: SocketAddr, source: io::Error },
    #[error("[Clerk] The local Clerk could not make a token: {0}")]
    Token(#[from] DirectoryError),
    #[error("[Clerk] The metrics could not be set up: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error("[Clerk] There is no token: give it as an argument or on stdin")]
    NoToken,
    #[error("[Clerk] Something broke: {0}")]
    Io(#[from] io::Error),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            // sysexits.h: EX_CONFIG.
            Self::Config(_) => ExitCode::from(78),
            // That of a wrong command line, as clap has it.
            Self::NoToken => ExitCode::from(2),
            Self::App(_)
            | Self::Listen { .. }
            | Self::LocalClerk { .. }
            | Self::ClerkPort { .. }
            | Self::Token(_)
            | Self::Metrics(_)
            | Self::Io(_) => ExitCode::FAILURE,
        }
    }
}

/// An I/O error in words, without the operating system's number.
struct Reason<'a>(&'a io::Error);

impl fmt::Display for Reason<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the standard library adds kinds")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            io::ErrorKind::AddrInUse => f.write_str("another program listens there"),
            io::ErrorKind::PermissionDenied => {
                f.write_str("this user may not (ports below 1024 are for root)")
            }
            io::ErrorKind::AddrNotAvailable => f.write_str("this machine has no such address"),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// What an error came from, one after the other.
struct Causes<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The variables of flags, environment and `.env`.
fn variables<S: Scope>(settings: &Settings<S>) -> Result<Variables, ConfigError> {
    Variables::read(settings.flags(), std::path::Path::new(".env"))
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

const EXIT_CODES: &str = "\
Exit codes:
  0   stopped by a signal, or done
  1   could not run: the address is taken, or something broke
  2   the command line is wrong
  78  the configuration is missing or wrong";
