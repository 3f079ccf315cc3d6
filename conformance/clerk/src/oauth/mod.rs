//! The OAuth 2.1 authorization server of the Frontend API.
//!
//! [`authorize`] checks an authorization request and shows the sign-in and consent page of [`page`].
//! [`decision`] reads the user's decision, and [`callback`] sends the authorization response. [`token`]
//! redeems the code. Errors that a client receives are [`OAuthError`](error::OAuthError)s.

pub(crate) mod authorize;
mod callback;
mod client_authentication;
pub(crate) mod client_document;
pub(crate) mod decision;
mod error;
mod form;
pub(crate) mod metadata;
mod page;
mod redirect_uri;
pub(crate) mod register;
pub(crate) mod revoke;
pub(crate) mod token;
pub(crate) mod token_info;
pub(crate) mod userinfo;
