//! An MCP server that [Clerk](https://clerk.com) protects, and its parts for servers of your own.
//!
//! # A server of your own
//!
//! [`app::App`] is the whole server of a [`config::Config`]: give it any rmcp [`ServerHandler`](rmcp::ServerHandler).
//! [`context::get_session`], [`context::get_user`] and [`context::get_client`] work in every tool, and only there.
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
//!     #[tool(name = "my-name", description = "Tells the caller's first name.")]
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
//! What a tool gives back is what its caller sees: [`mcp::Json`] for data, [`mcp::ToolError`] for a failure in words. A tool
//! that panics, takes too long or is given up by its client is answered for, and nobody else notices.
//!
//! # Who may call what
//!
//! A [`policy::ToolPolicy`] is checked before the tool runs, for every revision of the protocol; who lacks a scope is told to
//! ask for it. What depends on the arguments goes into the tool.
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
//! [`AppBuilder::protect`](app::AppBuilder::protect) puts an endpoint of your own beside `/mcp`, behind the same
//! authentication; its handlers find the [`session::Session`] in the request's extensions.
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
//! On an app of your own, [`auth::RequireAuth`] is a poem middleware; whoever doesn't get through gets the refusals of
//! [`auth::AuthError`]. [`app::authenticator`] makes what it needs of a configuration, and this is how to do so by hand. Keys
//! are then fetched when they're asked for; [`token::JwksCache::keep_fresh`] does so in the background.
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
//!     resources: resources.clone(),
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
//! [`mcp::endpoint`] mounts an MCP server behind it. What lets its clients find the sign-in is not there, though: those
//! documents are the [`App`](app::App)'s, whose [`endpoint`](app::App::endpoint) may be nested in an app of your own.
//! [`token::TokenVerifier`] alone verifies a token outside of HTTP.
//!
//! # Sessions
//!
//! Every request stands for itself, in every revision of the protocol: nothing is lost when a process ends, and any replica
//! answers. Clients of 2025-11-25 and before need a session for one thing, to be asked something by a tool (elicitation,
//! sampling, roots). [`mcp::McpSessions`] keeps them: each for its user alone, limited in number, ended when idle.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use clerk_mcp::{app::{App, AppError}, config::Config, mcp::McpSessions};
//! # fn build(config: &Config) -> Result<App, AppError> {
//! let mut sessions = McpSessions::default();
//! sessions.max_per_user = 4;
//! // People take longer to answer than tools do.
//! App::builder(config).sessions(sessions).call_timeout(Duration::from_mins(5)).build()
//! # }
//! ```
//!
//! Clients of 2026-07-28 have none and need none: a tool that wants an answer says so in its result
//! ([`InputRequiredResult`](rmcp::model::InputRequiredResult)), and is called again with it. `examples/everything` does both.
//!
//! # Testing
//!
//! The package `local-clerk` has a Clerk that runs in your tests: users and organizations to sign in as, tokens right
//! and wrong, outages at will, and a clock to move. Its environment makes a [`config::Config`]:
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
//! # What happens to a request
//!
//! ```text
//! bytes ─► connection         http        limits; a client that goes away ends its call
//!       ─► Request            http/access_log   the log of requests
//!                             http/cors   Origin, preflights (MCP, "Streamable HTTP")
//!                             http/errors, http/timeout, http/host   panic, time limit, Host
//!   ├► public routes          public      metadata, health, OpenAPI, start page
//!   └► /mcp
//!      headers ─► Session     auth        one table of refusals, one WWW-Authenticate
//!        BearerToken            token/bearer         one token68   RFC 6750 §2.1
//!        UnverifiedJwt          token/jose           strict form   RFC 7515, RFC 8725
//!        VerifyingKey           token/keys           the key set   RFC 7517
//!        signature              token/verifier       RS256         RFC 7518 §3.3
//!        VerifiedClaims         token/claims         iss … sts     RFC 7519 §4.1
//!        (opaque tokens)        token/introspection  Clerk's word, its flags and times
//!        Session                session              the last place that sees claims
//!      ─► Message             mcp/message   one JSON-RPC message, of the right shape
//!      ─► policy, session     mcp/body, mcp/sessions   may the caller do that?
//!      ─► rmcp ─► handler     mcp/handler   the session becomes a task-local again
//!      ─► tool                mcp/tools     get_session(), get_user(), get_client()
//!      ─► Backend API         clerk         our secret key, never the caller's token
//! ```
//!
//! What was found out is kept (`auth/verified_tokens`, `auth/opaque_tokens`, `shared_cache`): a verified token until it expires or its key goes, Clerk's
//! word on an opaque one for a minute. `clerk/secret_key` probes our own key, for nobody's token is at fault when that is bad.
//!
//! Each arrow down to the claims makes a type that only the step before it can build, so an unverified token can't reach a
//! tool and still compile. `Authorization` is taken off the request: no tool can pass it along.
//!
//! # Features
//!
//! `cli` (on by default) is for the program `clerk-mcp`; a server of your own leaves it out with
//! `default-features = false`.

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
pub mod http;
pub mod id;
pub mod mcp;
pub mod origin;
pub mod outbound;
mod paths;
pub mod policy;
mod public;
pub mod reason;
pub mod session;
mod shared_cache;
pub mod token;
