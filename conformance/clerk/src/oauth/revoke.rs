//! Revocation (RFC 7009).

use poem::{Response, http::StatusCode};

use super::{
    client_authentication::authenticate,
    error::{ErrorCode, OAuthError},
};
use crate::{
    http::{incoming::Incoming, respond},
    store::{grants::Client, instance::Instance},
};

pub(crate) fn revoke(instance: &Instance, incoming: &Incoming) -> Response {
    match try_revoke(instance, incoming) {
        Ok(()) => respond::no_store(respond::empty(StatusCode::OK)),
        Err(error) => error.into_response(),
    }
}

fn try_revoke(instance: &Instance, incoming: &Incoming) -> Result<(), OAuthError> {
    let form = incoming
        .form()
        .ok_or_else(|| OAuthError::invalid_request("the request must be a form"))?;
    if form.repeated(&[]).is_some() {
        return Err(OAuthError::invalid_request("no parameter may be repeated"));
    }
    let client = authenticate(instance, incoming, &form)?;
    let token = form
        .get("token")
        .ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    if revoke_refresh_token(instance, &client, token) {
        return Ok(());
    }
    match instance.find_access_token(token) {
        Some(found) if found.client_id != client.id => Err(OAuthError::invalid_grant(
            "the token was issued to another client",
        )),
        Some(found) if found.is_jwt => Err(OAuthError::new(
            ErrorCode::UnsupportedTokenType,
            "a JWT access token cannot be revoked; revoke the refresh token and let it expire",
        )),
        Some(_) => {
            instance.grants.lock().revoke_opaque_token(token);
            Ok(())
        }
        // RFC 7009 §2.2: a token nobody knows is as revoked as it can be.
        None => Ok(()),
    }
}

/// The whole grant ends with its refresh token (RFC 7009 §2.1). Another client's token is not touched, and not
/// admitted to exist.
fn revoke_refresh_token(instance: &Instance, client: &Client, token: &str) -> bool {
    let mut grants = instance.grants.lock();
    let Some(grant_id) = grants.refresh_token(token).map(|token| token.grant_id.clone()) else {
        return false;
    };
    if grants
        .grant(&grant_id)
        .is_some_and(|grant| grant.client_id == client.id)
    {
        grants.revoke_grant(&grant_id);
    }
    true
}
