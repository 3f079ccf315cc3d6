//! Bearer tokens: what Clerk issues, and every check between a header and [`VerifiedClaims`].
//!
//! | step | file | stops with | source |
//! | --- | --- | --- | --- |
//! | one `Authorization` header, one token68 | `bearer.rs` | [`BearerError`] | RFC 6750 §2.1, RFC 9110 §11 |
//! | kind, by prefix, `sub` and `typ` | `kind.rs` | [`TokenError::KindNotAccepted`] | Clerk, "Token types" |
//! | strict compact JWS, `alg`, `crit`, `typ`, `cat`, `kid` | `jose.rs`, `json.rs` | [`TokenError::NotCompactJws`] … | RFC 7515, RFC 8725 |
//! | key of the configured application | `keys.rs`, `fetch.rs` | [`KeyLookupError`], [`TokenError::KeyIdUnknown`] | RFC 7517 |
//! | signature | `verifier.rs` | [`TokenError::Signature`] | RFC 7518 §3.3 |
//! | `iss`, `sub`, `sid`, `exp`, `nbf`, `iat`, `azp`, `aud`, `sts` | `claims.rs`, `resource.rs` | [`TokenError::Issuer`] … | RFC 7519 §4.1 |
//! | of opaque tokens: Clerk's answer, its flags and times | `introspection.rs` | [`TokenError::Revoked`] … | Clerk Backend API |
//!
//! The signature comes before the claims on purpose: a forged token learns nothing of what the claims should say.

mod bearer;
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
mod resource;
mod verifier;

pub use bearer::{BearerError, BearerToken, MAX_TOKEN_BYTES};
pub use claims::{AudiencePolicy, OrganizationClaims, TokenPolicy, VerifiedClaims};
pub use error::TokenError;
pub use fetch::{FetchError, HttpJwks, JwksFetcher};
pub(crate) use introspection::ReportFault;
pub use introspection::TokenReport;
pub use jwk::{KeyError, KeyReference, StaticKey, VerifyingKey};
pub use keys::{JwksCache, KeyLookupError, KeySource};
pub use kind::{TokenKind, UnknownTokenKind};
pub use resource::ResourceNames;
pub use verifier::{TokenVerifier, VerifyError};
