//! A local Clerk for tests: the parts of a Clerk instance that an OAuth resource server talks to, on one
//! loopback listener. It needs neither network access nor a Clerk account.
//!
//! [`LocalClerk`] starts the instance and controls it. The listener serves three APIs:
//!
//! - The **Frontend API** at the origin, with Clerk's paths: the key set, the metadata documents, and an
//!   OAuth 2.1 authorization server with dynamic client registration (RFC 7591), PKCE (RFC 7636), a sign-in
//!   and consent page, rotating refresh tokens, revocation (RFC 7009), introspection (RFC 7662) and userinfo.
//! - The **Backend API** below `/backend`: keys, users, organizations, memberships, sessions, and the
//!   endpoints that verify opaque tokens and API keys.
//! - An **admin API** below `/admin`, for tests that cannot link this library. It changes users, keys and
//!   faults and mints tokens; `GET /admin` lists its operations.
//!
//! Tokens and Backend API responses are built from the same users and organizations, so they always agree.
//! Unless a [`State`] file replaces them, there are three sample users: Ada (`ada@example.com`) belongs to
//! three organizations, Grace (`grace@example.com`) to one, and Alan (`alan@example.com`) to none. All state
//! is in memory, limited in size, and lost when the process ends.
//!
//! **This is a test double.** It signs anyone in as any sample user without a password, so keep it on
//! loopback.
//!
//! # Point a server at it
//!
//! [`LocalClerk::environment`] returns the variables that a server needs: `CLERK_SECRET_KEY`, `CLERK_DOMAIN`,
//! `CLERK_FRONTEND_API_URL` and `CLERK_API_URL`. For a server with other settings, use
//! [`secret_key`](LocalClerk::secret_key), [`publishable_key`](LocalClerk::publishable_key),
//! [`issuer`](LocalClerk::issuer) and [`backend_api_url`](LocalClerk::backend_api_url).
//!
//! ```
//! use local_clerk::LocalClerk;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clerk = LocalClerk::builder().start().await?;
//! for (name, value) in clerk.environment() {
//!     println!("{name}={value}");
//! }
//! // A session token that the server must accept.
//! let token = clerk.session_token("ada@example.com")?.mint();
//! println!("Authorization: Bearer {token}");
//! clerk.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Mint invalid tokens
//!
//! Methods such as [`session_token`](LocalClerk::session_token) and [`oauth_token`](LocalClerk::oauth_token)
//! return a [`Recipe`](mint::Recipe) for a valid token. Change its header, claims or signature before
//! [`mint`](mint::Recipe::mint); nothing is validated. [`LocalClerk::mint`] does the same from data, a
//! [`TokenSpec`](mint::TokenSpec), which TOML and JSON files can hold.
//!
//! ```
//! use local_clerk::{LocalClerk, mint::TokenSpec};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let clerk = LocalClerk::builder().start().await?;
//! let unsigned = clerk.session_token("Ada")?.header("alg", "none").unsigned().mint();
//! let expired: TokenSpec = toml::from_str(r#"
//!     kind = "oauth_token"
//!     user = "Grace"
//!     claims = { exp = "@now-1h" }
//! "#)?;
//! let expired = clerk.mint(&expired)?;
//! # assert!(unsigned.ends_with('.') && !expired.ends_with('.'));
//! # Ok(())
//! # }
//! ```
//!
//! # Inject faults
//!
//! A [`Fault`] makes endpoints fail: error statuses, rate limits, malformed, truncated or huge bodies,
//! redirects, resets, delays. [`Fault::Hold`] holds responses back until the fault is cleared, so that tests
//! need not sleep. [`request_count`](LocalClerk::request_count) and [`requests`](LocalClerk::requests) show
//! which requests arrived.
//!
//! ```
//! use local_clerk::{Endpoint, Fault, LocalClerk};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let clerk = LocalClerk::builder().start().await?;
//! // The next two requests for the key set get a 503 response.
//! clerk.inject(Fault::Status(503).at(Endpoint::Jwks).times(2));
//! // The Backend API key set is unreachable until the fault is cleared.
//! let fault = clerk.inject(Fault::Reset.at(Endpoint::BackendJwks));
//! assert!(clerk.clear_fault(fault));
//! assert_eq!(clerk.request_count(Endpoint::Jwks), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Control the clock
//!
//! [`LocalClerkBuilder::clock`] replaces the system clock, so that a test can let tokens expire without
//! waiting. With [`seed`](LocalClerkBuilder::seed) and [`signing_key`](LocalClerkBuilder::signing_key) too,
//! every run mints the same tokens.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use jiff::{SignedDuration, Timestamp};
//! use local_clerk::LocalClerk;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Arc::new(Mutex::new(Timestamp::from_second(1_800_000_000)?));
//! let clock = Arc::clone(&now);
//! let clerk = LocalClerk::builder().clock(move || *clock.lock().unwrap()).start().await?;
//! let token = clerk.session_token("Ada")?;
//! assert_eq!(token.claim_value("exp"), Some(&1_800_000_060.into()));
//! // From now on the token is expired for this Clerk and for every server that shares the clock.
//! *now.lock().unwrap() += SignedDuration::from_mins(2);
//! # Ok(())
//! # }
//! ```

mod admin;
mod backend;
mod builder;
mod clock;
mod fault_injection;
mod handle;
mod home;
mod http;
pub mod mint;
mod oauth;
#[doc(hidden)]
pub mod position;
mod routes;
mod store;
mod tokens;

/// For checking admin requests in test files before anything runs.
pub use crate::admin::is_operation;
pub use crate::{
    builder::{LocalClerkBuilder, StartError},
    handle::{LocalClerk, SampleOrganization, SampleUser},
    http::authority::{Authority, CertificateError},
    oauth::client_document::ClientDocumentError,
    store::{
        credentials::{Credential, EndTokenError, Machine, NewCredential},
        endpoint::Endpoint,
        faults::{Fault, FaultId, FaultRule},
        people::{
            Actor, DirectoryError, Membership, NewOrganization, NewUser, Organization, Role, Session,
            SessionStatus, User,
        },
        rate_limit::RateLimit,
        request_log::RequestRecord,
        settings::{AccessTokens, InactiveTokens, ResourceIndicators},
        state_file::{State, StateError},
    },
    tokens::{error::MintError, recipes::AUTHORIZED_PARTY},
};
