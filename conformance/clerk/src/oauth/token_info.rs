//! Introspection of an access or refresh token (RFC 7662), with Clerk's members.

use poem::{Response, http::StatusCode};
use serde_json::{Value, json};

use super::{
    client_authentication::authenticate,
    error::{ErrorCode, OAuthError},
};
use crate::{
    http::{incoming::Incoming, respond},
    store::{instance::Instance, scope::Scopes},
};

pub(crate) fn token_info(instance: &Instance, incoming: &Incoming) -> Response {
    match introspect(instance, incoming) {
        Ok(body) => respond::no_store(respond::json(StatusCode::OK, &body)),
        Err(error) => error.into_response(),
    }
}

fn introspect(instance: &Instance, incoming: &Incoming) -> Result<Value, OAuthError> {
    let form = incoming
        .form()
        .ok_or_else(|| OAuthError::invalid_request("the request must be a form"))?;
    if form.repeated(&[]).is_some() {
        return Err(OAuthError::invalid_request("no parameter may be repeated"));
    }
    let client = authenticate(instance, incoming, &form)?;
    if client.secret.is_none() {
        // RFC 7662 §2.1: whoever asks must be authenticated, and a public client cannot be.
        return Err(OAuthError::new(
            ErrorCode::InvalidClient,
            "only clients with a secret may ask",
        ));
    }
    let token = form
        .get("token")
        .ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    let wanted = form.get("scope").map(Scopes::parse).unwrap_or_default();
    let body = match instance.find_access_token(token) {
        Some(found) if found.is_active() && wanted.first_not_in(&found.scopes).is_none() => describe(
            &found.client_id,
            &found.user_id,
            found.organization_id.as_deref(),
            &found.scopes,
            found.issued_at,
        ),
        Some(_) => inactive(),
        None => refresh_token(instance, token, &wanted),
    };
    Ok(body)
}

fn refresh_token(instance: &Instance, token: &str, wanted: &Scopes) -> Value {
    let grants = instance.grants.lock();
    let Some(token) = grants.refresh_token(token).filter(|token| !token.used) else {
        return inactive();
    };
    match grants.grant(&token.grant_id) {
        Some(grant) if !grant.revoked && wanted.first_not_in(&grant.scopes).is_none() => describe(
            &grant.client_id,
            &grant.user_id,
            grant.organization_id.as_deref(),
            &grant.scopes,
            token.issued_at.as_second(),
        ),
        Some(_) | None => inactive(),
    }
}

/// RFC 7662 §2.2: nothing else is said about a token that does not hold.
fn inactive() -> Value {
    json!({ "active": false })
}

fn describe(
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
