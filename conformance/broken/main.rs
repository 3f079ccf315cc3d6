//! Runs the server with one flaw, or without any, to try the suite on it by hand:
//!
//! ```text
//! cargo run --example broken -- --list
//! clerk-mcp-conformance run --profile clerk-mcp \
//!   --command 'cargo run --example broken -- --flaw accepts-none'
//! ```

#[path = "mod.rs"]
mod broken;

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
};

use broken::{Flaw, start};
use clap::Parser;

/// An MCP server behind Clerk with one flaw.
///
/// It reads the same environment variables as clerk-mcp.
#[derive(Parser)]
struct Arguments {
    /// Flaw of the server; none by default
    #[arg(long, value_parser = find)]
    flaw: Option<Flaw>,
    /// List every flaw and exit
    #[arg(long)]
    list: bool,
}

fn find(name: &str) -> Result<Flaw, String> {
    Flaw::find(name).ok_or_else(|| "unknown flaw; --list prints all flaws".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        return match list() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    #[expect(clippy::disallowed_methods, reason = "the environment is read only here")]
    let environment = env::vars().collect();
    match start(environment, arguments.flaw).await {
        Ok(running) => {
            // A closed stderr must not stop the server.
            let _ = writeln!(io::stderr(), "listening on {}", running.address);
            // Runs until Ctrl-C, or ends at once if signals are unavailable.
            let _ = tokio::signal::ctrl_c().await;
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let _ = writeln!(io::stderr(), "{}", failure.output);
            ExitCode::from(u8::try_from(failure.exit_code).unwrap_or(1))
        }
    }
}

/// Prints every flaw with the cases that it fails.
fn list() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for flaw in Flaw::ALL {
        writeln!(out, "{}: {}", flaw.name(), flaw.description())?;
        writeln!(out, "    fails {}", flaw.expected_failures().join(", "))?;
    }
    Ok(())
}
