//! The revocation endpoint (RFC 7009).

use poem::{Response, http::StatusCode};

use super::{
    client_authentication::authenticate,
    error::{ErrorCode, OAuthError},
    form,
};
use crate::{
    http::{incoming::Incoming, respond},
    store::{grants::Client, instance::Instance},
};

/// Revokes a refresh token with its grant, or an opaque access token.
pub(crate) fn revoke(instance: &Instance, incoming: &Incoming) -> Response {
    match try_revoke(instance, incoming) {
        Ok(()) => respond::no_store(respond::empty(StatusCode::OK)),
        Err(error) => error.into_response(),
    }
}

fn try_revoke(instance: &Instance, incoming: &Incoming) -> Result<(), OAuthError> {
    let form = form::parse(incoming, &[])?;
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
            "a JWT access token cannot be revoked; revoke its refresh token instead",
        )),
        Some(_) => {
            instance.grants.lock().revoke_opaque_token(token);
            Ok(())
        }
        // RFC 7009 §2.2: revoking an unknown token succeeds.
        None => Ok(()),
    }
}

/// Revokes a refresh token with its whole grant (RFC 7009 §2.1). Returns whether the refresh token exists.
///
/// The token of another client is not revoked, but the response is the same, so that it does not reveal that
/// the token exists.
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
