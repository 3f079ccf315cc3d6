//! The conformance suite: cases as data, a runner that judges a protected MCP server over HTTP, and reports.
//!
//! The suite depends on nothing of the server under test, so it judges servers in any language. The tokens come from
//! [`local_clerk`].

mod assertions;
pub mod baseline;
pub mod case;
pub mod compare;
pub mod explain;
mod intercept;
pub mod profile;
pub mod redact;
pub mod report;
pub mod results;
pub mod runner;
mod schema;
pub mod spec;
pub mod target;
mod vocabulary;
mod wire;
