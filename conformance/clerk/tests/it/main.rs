//! Tests of the local Clerk over HTTP. `jsonwebtoken` verifies the tokens it mints.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic fails the test as intended; clippy exempts only test functions, not their helpers"
)]

mod admin;
mod authorize;
mod backend;
mod contract;
mod credentials;
mod documents;
mod faults;
mod http;
mod lifecycle;
mod register;
mod settings;
mod support;
mod token;
mod tokens;
