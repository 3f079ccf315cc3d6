//! A local Clerk to develop and test against, and a mint for the tokens it issues.
//!
//! Everything here speaks HTTP and JSON Web Tokens only: nothing depends on the server under test, so it serves
//! servers in any language.
//!
//! - [`clerk`]: [`LocalClerk`](clerk::LocalClerk), an OAuth 2.1 authorization server and Backend API on one
//!   loopback listener, with sample users, all state in memory.
//! - [`mint`]: tokens built by hand from a [`Recipe`](mint::Recipe), so that wrong ones can be made as easily as
//!   right ones.
//!
//! ```
//! use clerk_mcp_conformance::clerk::LocalClerk;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clerk = LocalClerk::builder().start().await?;
//! let valid = clerk.session_token("ada@example.com")?.mint();
//! let unsigned = clerk.session_token("ada@example.com")?.header("alg", "none").unsigned().mint();
//! assert_ne!(valid, unsigned);
//! clerk.stop().await;
//! # Ok(())
//! # }
//! ```

pub mod clerk;
mod clock;
pub mod mint;
