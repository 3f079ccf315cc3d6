//! An MCP server protected by [Clerk](https://clerk.com), as a library.
//!
//! The crate verifies bearer tokens, tells clients where to sign in, and gives each tool the session of its
//! caller. It works with any rmcp [`ServerHandler`](rmcp::ServerHandler). Contents of this page:
//!
//! - [A server of your own](#a-server-of-your-own)
//! - [Scopes, roles and permissions per tool](#scopes-roles-and-permissions-per-tool)
//! - [Any endpoint, not only MCP](#any-endpoint-not-only-mcp)
//! - [Sessions](#sessions)
//! - [Testing](#testing)
//! - [Features](#features)
//!
//! The [`guide`] explains how the server works: its [architecture](guide::architecture), [the path of a
//! request](guide::a_request), [a key rotation](guide::a_key_rotation), and [a case of the conformance
//! suite](guide::a_case).
//!
//! # A server of your own
//!
//! Write an rmcp server, and pass it to [`App`](app::App) with a [`Config`](config::Config). The functions
//! [`get_session`](context::get_session), [`get_user`](context::get_user) and
//! [`get_client`](context::get_client) work in every tool. Outside a tool they return an error.
//!
//! ```no_run
//! use clerk_mcp::{app::App, config::Config, context, mcp::ToolError};
//! use rmcp::{ServerHandler, tool, tool_handler, tool_router};
//!
//! #[derive(Clone)]
//! struct MyTools;
//!
//! #[tool_router]
//! impl MyTools {
//!     #[tool(name = "my-name", description = "Returns the first name of the caller.")]
//!     async fn my_name(&self) -> Result<String, ToolError> {
//!         let user = context::get_user().await?;
//!         Ok(user.first_name.clone().unwrap_or_else(|| "nameless".to_owned()))
//!     }
//! }
//!
//! #[tool_handler(name = "mine", version = "1.0.0")]
//! impl ServerHandler for MyTools {}
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::from_env()?;
//! let listener = tokio::net::TcpListener::bind(config.listen).await?;
//! App::builder(&config).server(MyTools).build()?.run(listener, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A tool returns [`Json`](mcp::Json) for data, or [`ToolError`](mcp::ToolError) with a sentence that the
//! caller can read. If a tool panics, times out or is cancelled by its client, other requests are not
//! affected.
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
//! the authenticator that it needs from a configuration. The following example builds one by hand. It fetches
//! Clerk's keys on demand; spawn [`JwksCache::keep_fresh`](token::JwksCache::keep_fresh) to refresh them in
//! the background.
//!
//! ```
//! use std::sync::Arc;
//!
//! use clerk_mcp::{
//!     auth::{Authenticator, ChallengeContext, RequireAuth},
//!     clock::SystemClock,
//!     outbound,
//!     session::Session,
//!     token::{AudiencePolicy, HttpJwks, JwksCache, ResourceNames, TokenKind, TokenPolicy, TokenVerifier},
//! };
//! use poem::{EndpointExt, Route, handler, web::Data};
//!
//! #[handler]
//! fn me(Data(session): Data<&Arc<Session>>) -> String {
//!     session.subject.clone()
//! }
//!
//! # fn app() -> Result<impl poem::Endpoint, Box<dyn std::error::Error>> {
//! let clock = Arc::new(SystemClock);
//! let resources = ResourceNames::new(&"https://api.example.com".parse()?);
//! let policy = TokenPolicy {
//!     issuer: "https://clerk.example.com".to_owned(),
//!     accepted: vec![TokenKind::SessionToken],
//!     audience: AudiencePolicy::Required,
//!     session_audience: AudiencePolicy::IfPresent,
//!     resources: resources.clone(),
//!     accepted_audiences: Vec::new(),
//!     authorized_parties: vec!["https://app.example.com".to_owned()],
//!     leeway: std::time::Duration::from_secs(5),
//! };
//! let jwks: reqwest::Url = "https://clerk.example.com/.well-known/jwks.json".parse()?;
//! let keys = JwksCache::new(HttpJwks::new(outbound::client(&jwks, &[])?, jwks), clock.clone());
//! let verifier = TokenVerifier::new(keys, policy, clock.clone());
//! let authenticator =
//!     Authenticator::new(verifier, None, ChallengeContext::new(&resources, Vec::new()), clock);
//! let app = Route::new().at("/me", me.with(RequireAuth::new(authenticator)));
//! # Ok(app)
//! # }
//! # app().unwrap();
//! ```
//!
//! [`mcp::endpoint`] mounts an MCP server behind the middleware. That alone does not serve the metadata
//! documents that clients need to sign in: the [`App`](app::App) serves them, and its
//! [`endpoint`](app::App::endpoint) can be nested in your application. To verify a token without HTTP, use
//! [`TokenVerifier`](token::TokenVerifier).
//!
//! # Sessions
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
//! makes valid and invalid tokens, simulates outages, and has a clock that tests can move. It provides the
//! environment for a [`Config`](config::Config):
//!
//! ```no_run
//! use std::{collections::HashMap, path::Path};
//!
//! use clerk_mcp::{app::App, config::{Config, Variables}};
//! use local_clerk::LocalClerk;
//!
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! let clerk = LocalClerk::builder().start().await?;
//! let mut values = HashMap::from([("BASE_URL", "http://127.0.0.1:3001".to_owned())]);
//! values.extend(clerk.environment());
//! let variables =
//!     Variables::from_sources(&HashMap::new(), |name| values.get(name).cloned(), Path::new("no.env"))?;
//! let app = App::builder(&Config::from_variables(&variables)?).build()?;
//! let token = clerk.oauth_token("ada", "client", &["profile"], Some("http://127.0.0.1:3001/mcp"))?.mint();
//! // Call `app.endpoint`, or serve it with `app.run`.
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! The feature `cli`, on by default, is needed only for the program `clerk-mcp`. A server of your own turns
//! it off with `default-features = false`. With the feature `otlp`, the program exports
//! [traces](guide::telemetry).

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
pub mod token;
mod trace;
