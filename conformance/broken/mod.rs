//! A small MCP server behind Clerk with at most one flaw. The suite is tested against it.
//!
//! Without a flaw the server satisfies the profile `clerk-mcp` and passes every case. With a flaw it makes
//! one mistake, and the cases in [`Flaw::expected_failures`] must fail. It shares no code with the suite or
//! with any real server, so it checks both independently.

mod backend;
mod bearer;
mod caller;
mod challenge;
mod claims;
mod clerk;
mod clock;
mod edge;
mod era;
mod expected_failures;
mod flaw;
mod identity;
mod jwt;
mod keys;
mod mcp;
mod metadata;
mod outbound;
mod public_tool;
mod refusal;
mod response;
mod roles;
mod routes;
mod rsa;
pub(crate) mod server;
mod sessions;
mod settings;
mod token_kind;
mod tools;
mod values;
mod verify;

pub(crate) use self::{flaw::Flaw, server::start};
