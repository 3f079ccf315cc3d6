//! The program `clerk-mcp`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
