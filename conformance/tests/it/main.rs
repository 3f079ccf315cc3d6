//! The local Clerk from outside: over HTTP, and its tokens judged by another implementation.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what is wanted; clippy sees only the test functions as tests"
)]

mod baseline;
mod catalogue;
mod cli;
mod compare;
mod coverage;
mod explain;
mod inside;
mod leaks;
mod reports;
mod run;
mod sample;
mod schemas;
mod sessions;
mod usage;
