//! The Frontend API's OAuth 2.1 authorization server and its documents.
//!
//! An authorization request is checked in [`authorize`], shown as a [`page`], decided in [`decision`] and answered by
//! [`callback`]; the code is redeemed in [`token`]. What can go wrong between client and server is one type,
//! [`OAuthError`](error::OAuthError).

pub(super) mod authorize;
mod callback;
mod client_authentication;
pub(super) mod client_document;
pub(super) mod decision;
mod error;
pub(super) mod metadata;
mod page;
mod redirect_uri;
pub(super) mod register;
pub(super) mod revoke;
pub(super) mod token;
pub(super) mod token_info;
pub(super) mod userinfo;
