//! A small MCP server that Clerk protects, and that has one flaw at most: what the suite is tried on.
//!
//! Without a flaw it does what the profile `clerk-mcp` says, and passes every case. With one it is wrong in one way, and
//! the cases that are [named](flaw::Flaw::breaks) there must fail. It shares no code with the suite and none with any
//! real server, so that it is a second opinion on both.

mod bearer;
mod breaks;
mod caller;
mod claims;
mod clerk;
mod edge;
mod era;
mod flaw;
mod jwt;
mod keys;
mod mcp;
mod metadata;
mod refusal;
mod routes;
mod rsa;
pub(crate) mod server;
mod sessions;
mod settings;
mod tools;
mod values;
mod verify;

pub(crate) use self::{flaw::Flaw, server::start};

/// The time, in milliseconds since 1970.
fn now_milliseconds() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a program for tests, which nobody gives another clock"
    )]
    jiff::Timestamp::now().as_millisecond()
}
