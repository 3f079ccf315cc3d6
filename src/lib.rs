//! An MCP server protected by [Clerk](https://clerk.com), as a library.
//!
//! The crate verifies bearer tokens, tells clients where to sign in, and gives each tool the session of its
//! caller: the verified facts about user, organization and scopes. It works with any rmcp
//! [`ServerHandler`](rmcp::ServerHandler).
//!
//! The [`guide`] explains how the server works: its [architecture](guide::architecture), [the path of a
//! request](guide::a_request), [a key rotation](guide::a_key_rotation), and [a case of the conformance
//! suite](guide::a_case).
//!
//! # A server of your own
//!
//! Write an rmcp server, and pass it to [`App`](app::App) with a [`Config`](config::Config). The functions
//! [`get_session`](context::get_session), [`get_user`](context::get_user),
//! [`get_organization`](context::get_organization) and [`get_client`](context::get_client) work in every
//! tool. They return an error outside a tool, and in a public tool that is called without a token.
//!
//! ```no_run
//! use clerk_mcp::{app::{self, App}, config::Config, context, mcp::ToolError};
//! use rmcp::{ServerHandler, handler::server::wrapper::Parameters, tool, tool_handler, tool_router};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Greeting {
//!     /// The language of the greeting: en or de.
//!     language: String,
//! }
//!
//! #[derive(Clone)]
//! struct MyTools;
//!
//! #[tool_router]
//! impl MyTools {
//!     #[tool(name = "greet-me", description = "Greets the caller by first name.")]
//!     async fn greet_me(&self, Parameters(input): Parameters<Greeting>) -> Result<String, ToolError> {
//!         let greeting = match input.language.as_str() {
//!             "en" => "Hello",
//!             "de" => "Hallo",
//!             _ => return Err(ToolError::failed("The argument `language` must be en or de.")),
//!         };
//!         let user = context::get_user().await?;
//!         Ok(format!("{greeting}, {}!", user.first_name.as_deref().unwrap_or("friend")))
//!     }
//! }
//!
//! #[tool_handler(name = "mine", version = "1.0.0")]
//! impl ServerHandler for MyTools {}
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let config = Config::from_env()?;
//!     // Needs the feature `env-filter` of tracing-subscriber.
//!     tracing_subscriber::fmt().with_env_filter(&config.log_filter).with_writer(std::io::stderr).init();
//!     let app = App::builder(&config).server(MyTools).build()?;
//!     let listener = app::listen(&config).await?;
//!     app.run(listener, app::shutdown_signal()?).await?;
//!     Ok(())
//! }
//! ```
//!
//! The command `clerk-mcp init NAME` writes such a server with a policy and tests.
//! [`App::demo`](app::App::demo) runs the server with a local Clerk and sample users.
//!
//! A tool returns [`Json`](mcp::Json) for data, or [`ToolError`](mcp::ToolError) with a sentence that the
//! caller can read. If the arguments of a call do not match the tool's schema, the result names each wrong
//! argument. If a tool panics, times out or is cancelled by its client, other requests are not affected.
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
//! [`mcp::endpoint()`] mounts an MCP server behind the middleware. That alone does not serve the metadata
//! documents that clients need to sign in: the [`App`](app::App) serves them, and its
//! [`endpoint`](app::App::endpoint) can be nested in your application. To verify a token without HTTP, use
//! [`TokenVerifier`](token::TokenVerifier).
//!
//! # MCP sessions
//!
//! By default the server is stateless: it keeps nothing between two requests of a client, so it can restart
//! at any time, and any replica can answer. With clients of MCP 2025-11-25 and earlier, a tool can send
//! requests to the client (elicitation, sampling, roots) only in a session.
//! [`McpSessions`](mcp::McpSessions) adds such sessions. Each session is bound to its user, the number of
//! sessions is limited, and idle sessions end.
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
//! [`Config::from_pairs`](config::Config::from_pairs) takes its environment. This test calls a tool over
//! HTTP:
//!
//! ```no_run
//! use clerk_mcp::{app::App, config::Config, mcp::ExampleTools};
//! use local_clerk::LocalClerk;
//! use serde_json::{Value, json};
//! use tokio::net::TcpListener;
//!
//! #[tokio::test]
//! async fn greet_names_the_caller() {
//!     let clerk = LocalClerk::builder().start().await.unwrap();
//!     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
//!     let base_url = format!("http://{}", listener.local_addr().unwrap());
//!     let config = Config::from_pairs(clerk.environment(), &base_url).unwrap();
//!     let app = App::builder(&config).server(ExampleTools::new("mine")).build().unwrap();
//!     tokio::spawn(app.run(listener, std::future::pending()));
//!
//!     let endpoint = format!("{base_url}/mcp");
//!     let token = clerk.oauth_token("ada", "client", &["profile"], Some(&endpoint)).unwrap();
//!     let request = reqwest::Client::builder()
//!         .no_proxy()
//!         .build()
//!         .unwrap()
//!         .post(&endpoint)
//!         .bearer_auth(token.mint())
//!         .header("Accept", "application/json, text/event-stream")
//!         .json(&json!({
//!             "jsonrpc": "2.0", "id": 1, "method": "tools/call",
//!             "params": { "name": "greet", "arguments": { "name": "Ada" } },
//!         }));
//!     let answer: Value = request.send().await.unwrap().json().await.unwrap();
//!     let text = answer["result"]["content"][0]["text"].as_str().unwrap();
//!     assert!(text.starts_with("Hello, Ada! Your Clerk user ID is user_"), "{answer}");
//! }
//! ```
//!
//! It needs tokio with the features `macros`, `net` and `rt`, and these dependencies:
//!
//! ```toml
//! [dev-dependencies]
//! local-clerk = { path = "../clerk-mcp/conformance/clerk" }
//! reqwest = { version = "0.13", default-features = false, features = ["json"] }
//! serde_json = "1"
//! ```
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
