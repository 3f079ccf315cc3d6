//! An MCP server protected by [Clerk](https://clerk.com), as a library.
//!
//! The crate verifies bearer tokens, tells clients where to sign in, and gives each tool the session of its
//! caller: the verified facts about user, organization and scopes. It works with any rmcp
//! [`ServerHandler`](rmcp::ServerHandler).
//!
//! The [`guide`] explains how the server works, and how to operate it.
//!
//! # A server of your own
//!
//! Write an rmcp server, and pass it to [`App`](app::App) with a [`Config`](config::Config). The functions
//! [`get_session`](context::get_session), [`get_user`](context::get_user),
//! [`get_organization`](context::get_organization) and [`get_client`](context::get_client) work in every
//! tool. They return an error outside of an MCP request, in a task that the tool spawns, and in a public tool
//! that is called without a token.
//!
//! ```no_run
#![cfg_attr(doc, doc = include_str!("../examples/quickstart.rs"))]
//! ```
//!
//! The command `clerk-mcp init NAME` writes such a server with a policy and tests.
//! [`App::demo`](app::App::demo) runs the server with a local Clerk and sample users.
//!
//! A tool returns [`Json`](mcp::Json) for data, or [`ToolError`](mcp::ToolError) with a sentence that the
//! caller can read. If the arguments of a call do not match the tool's schema, the result names each wrong
//! argument. If a tool panics or times out, or the client cancels the call, other requests are not affected.
//!
//! # Scopes, roles and permissions per tool
//!
//! A [`ToolPolicy`](policy::ToolPolicy) is checked before the tool runs, in every revision of MCP. A caller
//! whose token lacks a scope gets a challenge that names the required scopes. Requirements that depend on the
//! arguments are checked in the tool.
//!
//! ```no_run
//! # use clerk_mcp::{app::{App, AppError}, config::Config, mcp::ToolError, policy::{Requirement, ToolPolicy}};
//! # fn build(config: &Config) -> Result<App, AppError> {
//! let policy = ToolPolicy::new()
//!     .require("list-invoices", Requirement::new().scopes(["invoices:read"]))
//!     .require("delete-invoices", Requirement::new().role("org:admin"));
//! App::builder(config).policy(policy).build()
//! # }
//! fn in_a_tool() -> Result<(), ToolError> {
//!     Ok(clerk_mcp::context::get_session()?.require_permission("org:invoices:delete")?)
//! }
//! ```
//!
//! # Any endpoint, not only MCP
//!
//! [`AppBuilder::protect`](app::AppBuilder::protect) mounts another endpoint beside `/mcp`, behind the same
//! authentication. Its handlers find the [`Session`](session::Session) in the extensions of the request.
//!
//! ```
//! # use std::sync::Arc;
//! # use clerk_mcp::{app::{App, AppError}, config::Config, session::Session};
//! # use poem::{handler, web::Data};
//! #[handler]
//! fn me(Data(session): Data<&Arc<Session>>) -> String {
//!     session.subject.clone()
//! }
//!
//! # fn app(config: &Config) -> Result<App, AppError> {
//! App::builder(config).protect("/me", me).build()
//! # }
//! ```
//!
//! In a poem application of your own, use the middleware [`RequireAuth`](auth::RequireAuth). It answers
//! requests without a valid token as [`AuthError`](auth::AuthError) specifies. [`app::authenticator`] builds
//! the authenticator that it needs from a configuration.
//!
//! [`mcp::endpoint()`] creates only the MCP endpoint, to mount behind the middleware. Clients also need the
//! metadata documents to sign in: [`App::endpoint`](app::App::endpoint) returns all routes, to nest in your
//! application. To verify a token without HTTP, use [`TokenVerifier`](token::TokenVerifier).
//!
//! # MCP sessions
//!
//! By default the server is stateless: apart from caches, no request depends on an earlier one. With clients of MCP
//! 2025-11-25 and earlier, a tool can send requests to the client (elicitation, sampling, roots) only in an
//! MCP session. [`McpSessions`](mcp::McpSessions) adds such sessions. Each one is bound to its user, their
//! number is limited, and they end when idle.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use clerk_mcp::{app::{App, AppError}, config::Config, mcp::McpSessions};
//! # fn build(config: &Config) -> Result<App, AppError> {
//! let mut sessions = McpSessions::default();
//! sessions.max_per_user = 4;
//! // Gives users time to answer a tool's question.
//! App::builder(config).sessions(sessions).call_timeout(Duration::from_mins(5)).build()
//! # }
//! ```
//!
//! Clients of MCP 2026-07-28 have no sessions. A tool that needs an answer returns
//! [`InputRequiredResult`](rmcp::model::InputRequiredResult), and the client calls the tool again with the
//! answer. `examples/everything` shows both ways.
//!
//! # Testing
//!
//! The package `local-clerk` provides a Clerk that runs in your tests. It has sample users and organizations,
//! makes valid and invalid tokens, simulates outages, and has a clock that tests can move.
//! [`Config::from_pairs`](config::Config::from_pairs) takes its environment, and shows a test that calls a tool
//! over HTTP.
//!
//! # Features
//!
//! The feature `cli`, on by default, is needed only for the program `clerk-mcp`. A server of your own turns
//! it off with `default-features = false`. The feature `demo` adds [`App::demo`](app::App::demo), and with it
//! the package `local-clerk`. With the feature `otlp`, the program exports [traces](guide::telemetry).

pub mod app;
pub mod auth;
pub mod clerk;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
mod digest;
mod flight;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(doc)]
pub mod guide;
pub mod http;
pub mod id;
mod log_limit;
pub mod mcp;
mod membership;
mod nearest;
pub mod origin;
pub mod outbound;
mod paths;
pub mod policy;
mod public;
pub mod reason;
mod request_id;
pub mod session;
mod shared_cache;
#[cfg(test)]
mod simulation;
mod time_limit;
pub mod token;
mod trace;
