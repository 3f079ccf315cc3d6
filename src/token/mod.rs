//! Bearer tokens: what Clerk issues, and every check between a header and [`VerifiedClaims`].
//!
//! | step | file | stops with | source |
//! | --- | --- | --- | --- |
//! | one `Authorization` header, one token68 | `bearer.rs` | [`BearerError`] | RFC 6750 §2.1, RFC 9110 §11 |
//! | kind, by prefix, `sub` and `typ` | `presented.rs`, `kind.rs` | [`TokenError::KindNotAccepted`] | Clerk, "Token types" |
//! | strict compact JWS, `alg`, `crit`, `typ`, `cat`, `kid` | `jose.rs`, `json.rs` | [`TokenError::NotCompactJws`] … | RFC 7515, RFC 8725 |
//! | key of the configured application | `keys.rs`, `fetch.rs` | [`KeyLookupError`], [`TokenError::KeyIdUnknown`] | RFC 7517 |
//! | signature | `verifier.rs` | [`TokenError::Signature`] | RFC 7518 §3.3 |
//! | `iss`, `sub`, `sid`, `exp`, `nbf`, `iat`, `azp`, `aud`, `sts` | `rules.rs`, `resource.rs` | [`TokenError::Issuer`] … | RFC 7519 §4.1 |
//! | of opaque tokens: Clerk's answer, its flags and times | `introspection.rs` | [`TokenError::Revoked`] … | Clerk Backend API |
//!
//! The signature comes before the claims on purpose: a forged token learns nothing of what the claims should say.
//!
//! # Keys from elsewhere
//!
//! The keys mostly come from the Frontend API ([`HttpJwks`], held by a [`JwksCache`]) or from the configuration
//! ([`StaticKey`]). A [`JwksFetcher`] of your own brings the key set from another place, and is cached the same:
//!
//! ```
//! use std::{path::PathBuf, sync::Arc};
//!
//! use clerk_mcp::{clock::SystemClock, token::{FetchError, JwksCache, JwksFetcher}};
//! use futures_util::{FutureExt, future::BoxFuture};
//!
//! /// The key set that something else keeps in a file.
//! #[derive(Debug)]
//! struct InFile(PathBuf);
//!
//! impl JwksFetcher for InFile {
//!     fn fetch(&self) -> BoxFuture<'static, Result<Vec<u8>, FetchError>> {
//!         let file = self.0.clone();
//!         async { tokio::fs::read(file).await.map_err(|_| FetchError::NotAKeySet) }.boxed()
//!     }
//! }
//!
//! let keys = JwksCache::new(InFile("/run/clerk/jwks.json".into()), Arc::new(SystemClock));
//! assert!(!keys.holds_keys(), "nothing is fetched yet");
//! ```
//!
//! A [`KeySource`] of your own decides itself which key it gives out, and for how long a verified token may be remembered:
//!
//! ```
//! use std::collections::HashMap;
//!
//! use clerk_mcp::token::{KeyLookupError, KeyReference, KeySource, StaticKey, VerifyingKey};
//!
//! /// A few keys that are pinned by their ids.
//! #[derive(Debug)]
//! struct Pinned(HashMap<String, StaticKey>);
//!
//! impl KeySource for Pinned {
//!     async fn key(&self, kid: &str) -> Result<Option<VerifyingKey>, KeyLookupError> {
//!         match self.0.get(kid) {
//!             Some(key) => key.key(kid).await,
//!             None => Ok(None),
//!         }
//!     }
//!
//!     fn holds(&self, key: &KeyReference) -> bool {
//!         self.0.values().any(|one| one.holds(key))
//!     }
//! }
//! ```

mod bearer;
mod check;
mod claims;
mod error;
mod fetch;
mod introspection;
mod jose;
mod json;
mod jwk;
mod keys;
mod kind;
mod permissions;
mod policy;
mod presented;
mod resource;
mod rules;
mod verifier;

pub use bearer::{BearerError, BearerToken};
pub use check::Check;
pub(crate) use check::{Outcome, Pass, Recorder};
pub use claims::VerifiedClaims;
pub use error::{TokenError, VerifyError};
pub use fetch::{FetchError, HttpJwks, JwksFetcher};
pub(crate) use introspection::{ReportFault, TokenReport};
pub use jose::unverified_members;
pub use jwk::{KeyError, KeyReference, StaticKey, VerifyingKey};
pub use keys::{JwksCache, KeyLookupError, KeySource};
pub use kind::{TokenKind, UnknownTokenKind};
pub use policy::{AudiencePolicy, TokenPolicy};
pub use resource::ResourceNames;
pub use verifier::TokenVerifier;
