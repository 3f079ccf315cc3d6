//! Bearer tokens of Clerk, and every check from the `Authorization` header to [`VerifiedClaims`].
//!
//! | step | file | fails with | source |
//! | --- | --- | --- | --- |
//! | one `Authorization` header, one token (token68, RFC 9110 §11.2) | `bearer.rs` | [`BearerError`] | RFC 6750 §2.1, RFC 9110 §11 |
//! | opaque token, or strict compact JWS | `presented.rs`, `jose.rs`, `json.rs` | [`TokenError::NotCompactJws`], [`TokenError::NotJsonObject`] | RFC 7515, RFC 8725 |
//! | kind, from the prefix, `sub` and `typ` | `presented.rs`, `kind.rs` | [`TokenError::KindNotAccepted`] | Clerk, "Token types" |
//! | header: `alg`, `crit`, `typ`, `cat`, `kid` | `jose.rs` | [`TokenError::Algorithm`] … | RFC 7515, RFC 8725 |
//! | key of the Clerk application | `key_source.rs`, `keys.rs`, `fetch.rs`, `fetch_limit.rs` | [`FetchError`], [`TokenError::KeyIdUnknown`] | RFC 7517 |
//! | signature | `verifier.rs` | [`TokenError::Signature`] | RFC 7518 §3.3 |
//! | `iss`, `sub`, `sid`, `exp`, `nbf`, `iat`, `azp`, `aud`, `sts` | `rules.rs`, `resource.rs` | [`TokenError::Issuer`] … | RFC 7519 §4.1 |
//! | opaque tokens only: Clerk's report, its flags and times | `report.rs` | [`TokenError::Revoked`] … | Clerk Backend API |
//!
//! `check.rs` lists the checks, and `recorder.rs` receives their outcomes. `policy.rs` has the settings,
//! `error.rs` the errors, and `claims.rs` (with `permissions.rs`) the result.
//!
//! The kind is determined from the unverified `sub` and `typ`; it only selects the checks. Every claim is checked
//! after the signature, so that an attacker cannot learn from the errors what claims are expected.
//!
//! The keys usually come from the Frontend API ([`HttpJwks`], held by a [`JwksCache`]) or from the
//! configuration ([`StaticKey`]). Implement [`JwksFetcher`] to read the key set from another source, or
//! [`KeySource`] to choose the keys yourself.

mod bearer;
mod check;
mod claims;
mod error;
mod fetch;
mod fetch_limit;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod jose;
mod json;
mod jwk;
mod key_source;
mod keys;
mod kind;
mod permissions;
mod policy;
mod presented;
mod recorder;
mod report;
mod resource;
mod rules;
#[cfg(test)]
mod simulation;
mod verifier;

pub use bearer::{BearerError, BearerToken};
pub use check::Check;
pub use claims::VerifiedClaims;
pub use error::{TokenError, VerifyError};
pub use fetch::{FetchError, HttpJwks, JwksFetcher};
pub(crate) use jose::unverified_members;
pub use jwk::{KeyError, KeyReference, StaticKey, VerifyingKey};
pub use key_source::KeySource;
pub use keys::JwksCache;
pub use kind::{TokenKind, UnknownTokenKind};
pub use policy::{AudiencePolicy, TokenPolicy};
pub(crate) use recorder::{CheckPass, RecordedCheck, Recorder};
pub(crate) use report::TokenReport;
pub use resource::ResourceNames;
pub use verifier::TokenVerifier;
