//! Tokens that the instance issues: their claims, minting on request, and look-ups of presented tokens.

pub(crate) mod access_token;
pub(crate) mod error;
pub(crate) mod minting;
pub(crate) mod permission_claims;
pub(crate) mod placeholders;
pub(crate) mod recipes;
pub(crate) mod untrusted_keys;
