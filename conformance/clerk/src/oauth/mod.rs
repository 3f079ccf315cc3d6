//! The Frontend API's OAuth 2.1 authorization server and its documents.
//!
//! An authorization request is checked in [`authorize`], shown as a [`page`], decided in [`decision`] and answered by
//! [`callback`]; the code is redeemed in [`token`]. What can go wrong between client and server is one type,
//! [`OAuthError`](error::OAuthError).

pub(crate) mod authorize;
mod callback;
mod client_authentication;
pub(crate) mod client_document;
pub(crate) mod decision;
mod error;
pub(crate) mod metadata;
mod page;
mod redirect_uri;
pub(crate) mod register;
pub(crate) mod revoke;
pub(crate) mod token;
pub(crate) mod token_info;
pub(crate) mod userinfo;
