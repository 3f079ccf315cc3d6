//! The introspection endpoint for access and refresh tokens (RFC 7662), with Clerk's members.

use poem::{Response, http::StatusCode};
use serde_json::{Value, json};

use super::{
    client_authentication::authenticate,
    error::{ErrorCode, OAuthError},
    form,
};
use crate::{
    http::{incoming::Incoming, respond},
    store::{instance::Instance, scope::Scopes},
};

/// Answers whether a token is active, and what it allows. Requires a client with a secret.
pub(crate) fn token_info(instance: &Instance, incoming: &Incoming) -> Response {
    match introspect(instance, incoming) {
        Ok(body) => respond::no_store(respond::json(StatusCode::OK, &body)),
        Err(error) => error.into_response(),
    }
}

fn introspect(instance: &Instance, incoming: &Incoming) -> Result<Value, OAuthError> {
    let form = form::parse(incoming, &[])?;
    let client = authenticate(instance, incoming, &form)?;
    if client.secret.is_none() {
        // RFC 7662 §2.1: the caller must be authenticated, and a public client cannot authenticate.
        return Err(OAuthError::new(
            ErrorCode::InvalidClient,
            "introspection requires a client with a secret",
        ));
    }
    let token = form
        .get("token")
        .ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    let scopes = form.get("scope").map(Scopes::parse).unwrap_or_default();
    let body = match instance.find_access_token(token) {
        Some(found) if found.is_active() && scopes.first_not_in(&found.scopes).is_none() => active_response(
            &found.client_id,
            &found.user_id,
            found.organization_id.as_deref(),
            &found.scopes,
            found.issued_at,
        ),
        Some(_) => inactive_response(),
        None => introspect_refresh_token(instance, token, &scopes),
    };
    Ok(body)
}

fn introspect_refresh_token(instance: &Instance, token: &str, scopes: &Scopes) -> Value {
    let grants = instance.grants.lock();
    let Some(token) = grants
        .refresh_token(token)
        .filter(|token| token.used_at.is_none())
    else {
        return inactive_response();
    };
    match grants.grant(&token.grant_id) {
        Some(grant) if !grant.revoked && scopes.first_not_in(&grant.scopes).is_none() => active_response(
            &grant.client_id,
            &grant.user_id,
            grant.organization_id.as_deref(),
            &grant.scopes,
            token.issued_at.as_second(),
        ),
        Some(_) | None => inactive_response(),
    }
}

/// RFC 7662 §2.2: the response for an inactive token has no other members.
fn inactive_response() -> Value {
    json!({ "active": false })
}

fn active_response(
    client_id: &str,
    user_id: &str,
    organization_id: Option<&str>,
    scopes: &Scopes,
    issued_at: i64,
) -> Value {
    let mut body = json!({
        "active": true,
        "client_id": client_id,
        "iat": issued_at,
        "scope": scopes.to_string(),
        "sub": user_id,
    });
    if let (Some(organization_id), Some(body)) = (organization_id, body.as_object_mut()) {
        body.insert("org_id".to_owned(), json!(organization_id));
    }
    body
}
