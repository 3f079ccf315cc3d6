//! A local Clerk to develop and test against, and a mint for the tokens it issues.
//!
//! Everything here speaks HTTP and JSON Web Tokens only: nothing depends on the server under test, so it serves
//! servers in any language.
//!
//! - [`clerk`]: [`LocalClerk`](clerk::LocalClerk), an OAuth 2.1 authorization server and Backend API on one
//!   loopback listener, http or https, with sample users or those of a file, all state in memory. It goes wrong when
//!   it is [told to](clerk::Fault).
//! - [`mint`]: tokens built by hand from a [`Recipe`](mint::Recipe), so that wrong ones can be made as easily as
//!   right ones.
//!
//! ```
//! use clerk_mcp_conformance::clerk::{Endpoint, Fault, LocalClerk};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clerk = LocalClerk::builder().start().await?;
//! let valid = clerk.session_token("ada@example.com")?.mint();
//! let unsigned = clerk.session_token("ada@example.com")?.header("alg", "none").unsigned().mint();
//! assert_ne!(valid, unsigned);
//!
//! // From here on nobody gets the keys.
//! clerk.inject(Fault::Down.at(Endpoint::Jwks).and(Endpoint::BackendJwks));
//! clerk.stop().await;
//! # Ok(())
//! # }
//! ```

pub mod baseline;
pub mod case;
mod check;
pub mod clerk;
mod clock;
pub mod compare;
pub mod explain;
mod intercept;
pub mod mint;
mod place;
pub mod profile;
pub mod redact;
pub mod report;
pub mod results;
pub mod runner;
mod schema;
pub mod spec;
pub mod target;
mod wire;
