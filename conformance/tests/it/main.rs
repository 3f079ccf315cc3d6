//! The local Clerk from outside: over HTTP, and its tokens judged by another implementation.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what is wanted; clippy sees only the test functions as tests"
)]

mod admin;
mod authorize;
mod backend;
mod baseline;
mod catalogue;
mod cli;
mod compare;
mod contract;
mod coverage;
mod credentials;
mod documents;
mod explain;
mod faults;
mod hygiene;
mod inside;
mod leaks;
mod lifecycle;
mod register;
mod reports;
mod run;
mod sample;
mod schemas;
mod sessions;
mod settings;
mod support;
mod token;
mod tokens;
mod usage;
