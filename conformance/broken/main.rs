//! Runs the server with one flaw, or none, to try the suite on it by hand:
//!
//! ```text
//! cargo run --example broken -- --list
//! clerk-mcp-conformance run --profile clerk-mcp --command 'cargo run --example broken -- --flaw accepts-none'
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

/// An MCP server that Clerk protects, and that is wrong in one way.
///
/// It reads the same environment as clerk-mcp.
#[derive(Parser)]
struct Arguments {
    /// What is wrong with it; nothing, unless said
    #[arg(long, value_parser = find)]
    flaw: Option<Flaw>,
    /// Lists every flaw
    #[arg(long)]
    list: bool,
}

fn find(name: &str) -> Result<Flaw, String> {
    Flaw::find(name).ok_or_else(|| "there is no such flaw; --list names them".to_owned())
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
    #[expect(
        clippy::disallowed_methods,
        reason = "the environment is read here, and only here"
    )]
    let environment = env::vars().collect();
    match start(environment, arguments.flaw).await {
        Ok(running) => {
            // Whoever reads this may be gone, which is none of the server's business.
            let _ = writeln!(io::stderr(), "listening on {}", running.address);
            // Without a signal there is nothing to wait for but the end of the process.
            let _ = tokio::signal::ctrl_c().await;
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let _ = writeln!(io::stderr(), "{}", failure.output);
            ExitCode::from(u8::try_from(failure.exit).unwrap_or(1))
        }
    }
}

fn list() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for flaw in Flaw::ALL {
        writeln!(out, "{}: {}", flaw.name(), flaw.about())?;
        writeln!(out, "    fails {}", flaw.breaks().join(", "))?;
    }
    Ok(())
}
