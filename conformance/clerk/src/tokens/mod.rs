//! The tokens that an instance issues: their claims, minting them from specifications, and finding presented
//! tokens.

pub(crate) mod access_token;
pub(crate) mod error;
pub(crate) mod minting;
pub(crate) mod permission_claims;
pub(crate) mod placeholders;
pub(crate) mod recipes;
pub(crate) mod untrusted_keys;
