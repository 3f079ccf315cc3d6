//! The program `clerk-mcp`.

/// mimalloc is faster than the system's allocator for the many small allocations of a request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    clerk_mcp::cli::run()
}
