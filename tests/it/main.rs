//! Integration tests. Each test talks HTTP to its own server on its own port, next to a local Clerk.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a panic is how a test fails, and clippy exempts only the test functions themselves, not their helpers"
)]

mod audit;
mod auth;
mod backend;
mod cli;
mod direct;
mod discovery;
mod doctor;
mod documented;
mod edge;
mod explain;
mod floods;
mod hygiene;
mod init;
mod interleaved;
mod keys;
mod layering;
mod mcp;
mod mcp_limits;
mod mcp_session_ends;
mod mcp_sessions;
mod messages;
mod misbehavior;
mod near_misses;
mod nix;
mod oauth;
mod opaque;
mod openapi;
mod organizations;
mod outages;
mod own_server;
mod policy;
#[path = "../../examples/policy.rs"]
#[expect(dead_code, reason = "the test server replaces `main`")]
mod policy_example;
mod programs;
mod props;
mod protect;
mod public;
mod questions;
mod readme;
mod resilience;
mod secret_key;
mod server;
mod stress;
mod support;
mod telemetry;
mod tokens;
mod tools;
