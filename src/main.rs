//! The program `clerk-mcp`.

fn main() -> std::process::ExitCode {
    clerk_mcp::cli::run()
}
