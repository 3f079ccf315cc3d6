//! The program `clerk-mcp`.

use std::process::ExitCode;

fn main() -> ExitCode {
    clerk_mcp::cli::run()
}
