//! An MCP server that [Clerk](https://clerk.com) protects, and its parts for servers of your own.
//!
//! # What happens to a request
//!
//! ```text
//! bytes ─► connection         server   limits on heads and connections; a client that goes away ends its call
//!       ─► Request            edge     panic and time limit, Host; access: the log of requests
//!   ├► public routes          public   RFC 9728 and RFC 8414 documents, health, OpenAPI, start page
//!   └► /mcp                   cors     Origin (MCP, "Streamable HTTP")
//!      headers ─► Session     auth     401, 403, 500, 503: one table, one writer of WWW-Authenticate
//!        BearerToken            token/bearer      one credential, one token68       RFC 6750 §2.1
//!        UnverifiedJwt          token/jose        strict form, alg, crit, typ, kid  RFC 7515, RFC 8725
//!        VerifyingKey           token/keys        the application's key set         RFC 7517
//!        signature              token/verifier    RS256                             RFC 7518 §3.3
//!        VerifiedClaims         token/claims      iss, sub, sid, exp … aud, sts     RFC 7519 §4.1
//!        (opaque: TokenReport   token/introspection   Clerk's answer, its flags and times)
//!        Session                session           what tools see; the last place that sees claims
//!      ─► rmcp ─► handler     mcp      the session travels in the request's extensions, then as a task-local
//!      ─► tool                mcp/tools   get_session(), get_user(), get_client()
//!      ─► Clerk's Backend API clerk    with our secret key, never with the caller's token
//! ```
//!
//! What was found out is kept (`auth/verified`, `shared_cache`): a verified token until it expires or its key goes, Clerk's
//! word on an opaque one for a minute. `secret_key` probes our own key, for nobody's token is at fault when that is bad.
//!
//! Each arrow makes a type that only the step before it can build, so an unverified token can't reach a tool and still
//! compile. `Authorization` is taken off the request: no tool can pass it along.
//!
//! # Using the parts
//!
//! - [`app::App`] is the whole server of a [`config::Config`], with tools of your own if you like; `examples/quickstart.rs`
//!   is one in thirty lines. [`policy::ToolPolicy`] says which tool asks for which scopes, role and permissions.
//! - [`auth::RequireAuth`] protects any poem endpoint; [`mcp::endpoint`] mounts any rmcp `ServerHandler` behind it.
//! - [`context::get_session`], [`context::get_user`] and [`context::get_client`] work in every tool, and only there.
//! - [`token::TokenVerifier`] verifies a token outside of HTTP.
//!
//! The feature `cli` (on by default) is for the program `clerk-mcp`; libraries leave it out.

mod access;
pub mod app;
pub mod auth;
pub mod clerk;
pub mod clock;
pub mod config;
pub mod context;
mod cors;
mod digest;
mod edge;
pub mod id;
pub mod mcp;
pub mod origin;
pub mod outbound;
pub mod policy;
pub mod public;
pub mod reason;
pub mod secret_key;
pub mod server;
pub mod session;
mod shared_cache;
pub mod token;
