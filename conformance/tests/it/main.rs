//! Tests of the suite: its library, its program, its case files and its reports.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic fails the test; clippy does not recognize helper functions as test code"
)]

mod assessment;
mod baseline;
mod catalog;
mod cli;
mod compare;
mod coverage;
mod explain;
mod inside;
mod leaks;
mod login;
mod reports;
mod run;
mod sample;
mod schemas;
mod sessions;
mod usage;
