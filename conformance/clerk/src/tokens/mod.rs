//! Tokens that the instance issues: their claims, minting on request, and look-ups of presented tokens.

pub(crate) mod access_token;
pub(crate) mod members;
pub(crate) mod minting;
pub(crate) mod recipes;
pub(crate) mod spare_keys;
