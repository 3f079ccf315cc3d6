//! The program `clerk-mcp`.

/// Faster than the allocator of the system: a request makes many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    clerk_mcp::cli::run()
}
