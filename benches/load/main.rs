//! Tests the program `clerk-mcp` under load, and fails if a promise is broken:
//!
//! - `cargo bench --bench load -- replicas`: three servers behind HAProxy, of which one is killed and the
//!   others are restarted, while keys rotate. No call fails.
//! - `cargo bench --bench load -- abuse`: half-open connections, stalled bodies, connections beyond the limit
//!   and made-up tokens, all at once. Valid calls are answered within a second, within 150 MB of memory.
//! - `cargo bench --bench load -- soak [MINUTES]`: mixed load with outages, key rotations and misbehaving
//!   clients. Memory, file descriptors, tasks and latency stay flat.
//!
//! Each run prints a Markdown table. It keeps logs, metrics and response bodies in `target/load/`, and
//! searches them for tokens and the secret key.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a test program that prints its result, not part of the server"
)]

mod abuse;
mod calls;
mod process;
mod replicas;
mod secrets;
mod soak;

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    let faults = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["replicas"] => runtime.block_on(replicas::run()),
        ["abuse"] => runtime.block_on(abuse::run()),
        ["soak"] => runtime.block_on(soak::run(10)),
        ["soak", minutes] => runtime.block_on(soak::run(minutes.parse().expect("expected whole minutes"))),
        _ => vec!["expected replicas, abuse, or soak [MINUTES]".to_owned()],
    };
    for fault in &faults {
        println!("FAILED: {fault}");
    }
    if faults.is_empty() {
        println!("passed");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}
