//! The server as its callers meet it: over HTTP, on a port of its own, beside a local Clerk.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test that panics has failed, which is what is wanted; clippy sees only the test functions as tests"
)]

mod auth;
mod backend;
mod cli;
mod discovery;
mod doctor;
mod documented;
mod edge;
mod explain;
mod hygiene;
mod interleaved;
mod keys;
mod layering;
mod mcp;
mod mcp_limits;
mod mcp_session_ends;
mod mcp_sessions;
mod messages;
mod misbehaviour;
mod nix;
mod oauth;
mod opaque;
mod openapi;
mod outages;
mod policy;
mod programs;
mod props;
mod protect;
mod questions;
mod readme;
mod resilience;
mod secret_key;
mod server;
mod support;
mod tokens;
mod tools;
