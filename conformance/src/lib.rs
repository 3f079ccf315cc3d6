//! The conformance suite for MCP servers that accept tokens from Clerk or any other OAuth issuer: cases as
//! data, a runner that tests a server over HTTP, and reports.
//!
//! 1. [`case`] loads the cases, whose references are in the table of [`spec`]. A [`profile`] describes the
//!    server.
//! 2. [`runner`] starts the server (`target`) beside a [`local_clerk`], sends what the cases say (`wire`),
//!    and compares the answers with the expectations (`assertions`).
//! 3. The [`results`], checked against a [`baseline`] and without secrets ([`redact`]), are assessed
//!    ([`assessment`]) and become a [`report`]. [`compare`] compares them with the results of an earlier run.
//!
//! For a server that is already running, [`login`] gets tokens from its authorization server.
//!
//! The suite does not depend on the server under test, so it tests servers in any language.

mod assertions;
pub mod assessment;
pub mod baseline;
pub mod case;
pub mod compare;
pub mod explain;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod intercept;
pub mod login;
pub mod near_miss;
mod pattern;
pub mod policy;
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
