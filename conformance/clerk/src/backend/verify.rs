//! The operations that verify OAuth access tokens (JWT or opaque), opaque machine-to-machine tokens and API
//! keys.
//!
//! The response for an unknown token is 404. The response for a revoked or expired token depends on
//! [`InactiveTokens`].

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::ClerkError;
use crate::{
    http::incoming::Incoming,
    store::{
        credentials::{CredentialKind, IssuedCredential},
        ids,
        instance::Instance,
        settings::InactiveTokens,
    },
    tokens::access_token::AccessToken,
};

/// Verifies an OAuth access token: `POST /oauth_applications/access_tokens/verify`.
///
/// The response for an expired JWT is `{"active": false}`. Times are in seconds; the rest of this API uses
/// milliseconds.
pub(super) fn access_token(instance: &Instance, incoming: &Incoming) -> Result<Value, ClerkError> {
    // `secret` is the deprecated name of `access_token`.
    let token = token_from_body(incoming, &["access_token", "secret"])?;
    let is_hidden = |token: &AccessToken| {
        !token.is_active() && instance.settings.inactive_tokens == InactiveTokens::NotFound
    };
    match instance.find_access_token(&token) {
        Some(token) if token.is_jwt && token.expired => Ok(json!({ "active": false })),
        Some(token) if !is_hidden(&token) => Ok(access_token_json(&token)),
        Some(_) | None => Err(ClerkError::token_not_found("OAuth token")),
    }
}

/// Verifies an opaque machine-to-machine token: `POST /m2m_tokens/verify`.
///
/// The secret key of the instance verifies every token; the secret key of a machine only the tokens meant for
/// it.
pub(super) fn m2m_token(instance: &Instance, incoming: &Incoming) -> Result<Value, ClerkError> {
    let token = find(instance, incoming, CredentialKind::M2m, "token", "Machine token")?;
    let credentials = instance.credentials.lock();
    let caller = incoming
        .credentials("Bearer")
        .and_then(|key| credentials.machine_by_secret(key));
    if caller.is_some_and(|machine| !token.scopes.contains(&machine.id)) {
        return Err(ClerkError::token_not_found("Machine token"));
    }
    let mut body = common_members(instance, &token, "machine_to_machine_token");
    extend(
        &mut body,
        json!({ "scopes": token.scopes, "claims": token.claims }),
    );
    Ok(body)
}

/// Verifies an API key: `POST /api_keys/verify`.
pub(super) fn api_key(instance: &Instance, incoming: &Incoming) -> Result<Value, ClerkError> {
    let key = find(instance, incoming, CredentialKind::ApiKey, "secret", "API key")?;
    let mut body = common_members(instance, &key, "api_key");
    extend(
        &mut body,
        json!({
            "type": "api_key",
            "name": key.name,
            "description": null,
            "scopes": key.scopes,
            "claims": key.claims,
            "created_by": key.created_by,
        }),
    );
    Ok(body)
}

/// Returns the token or key in the body, under the first of these names that is present.
fn token_from_body(incoming: &Incoming, names: &[&str]) -> Result<String, ClerkError> {
    if !incoming.has_content_type("application/json") {
        return Err(ClerkError::unsupported_content_type());
    }
    let body: Value = serde_json::from_slice(incoming.body())
        .map_err(|_| ClerkError::bad_request("The request body is not JSON"))?;
    names
        .iter()
        .find_map(|name| body.get(name).and_then(Value::as_str))
        .map(str::to_owned)
        .ok_or_else(|| ClerkError::bad_request(&format!("{} must be a string", names.join(" or "))))
}

/// Finds the token or key in the body. Inactive ones are not found if the settings say so.
fn find(
    instance: &Instance,
    incoming: &Incoming,
    kind: CredentialKind,
    name: &str,
    kind_in_error: &str,
) -> Result<IssuedCredential, ClerkError> {
    let secret = token_from_body(incoming, &[name])?;
    let now = instance.clock.now();
    let issued = instance.credentials.lock().record_use(kind, &secret, now);
    issued
        .filter(|one| one.is_active(now) || instance.settings.inactive_tokens == InactiveTokens::Flagged)
        .ok_or_else(|| ClerkError::token_not_found(kind_in_error))
}

/// Returns the members that machine-to-machine tokens and API keys have in common. Times are in milliseconds.
fn common_members(instance: &Instance, issued: &IssuedCredential, object: &str) -> Value {
    json!({
        "object": object,
        "id": issued.id,
        "subject": issued.subject,
        "revoked": issued.revocation_reason.is_some(),
        "revocation_reason": issued.revocation_reason,
        "expired": issued.expired(instance.clock.now()),
        "expiration": issued.expires_at.map(Timestamp::as_millisecond),
        "last_used_at": issued.last_used_at.map(Timestamp::as_millisecond),
        "created_at": issued.created_at.as_millisecond(),
        "updated_at": issued.updated_at.as_millisecond(),
    })
}

fn access_token_json(token: &AccessToken) -> Value {
    let mut body = json!({
        "object": "clerk_idp_oauth_access_token",
        "id": if token.is_jwt { hexadecimal_id(&token.id) } else { token.id.clone() },
        "client_id": token.client_id,
        "subject": token.user_id,
        "scopes": token.scopes.iter().collect::<Vec<_>>(),
        "revoked": token.revoked,
        "revocation_reason": token.revoked.then_some("Revoked by the client"),
        "expired": token.expired,
        "expiration": token.expires_at,
        "created_at": token.issued_at,
        "updated_at": token.issued_at,
    });
    // Clerk added `aud` after its published API description. It is present only when a resource was granted.
    if !token.resources.is_empty() {
        extend(&mut body, json!({ "aud": token.resources }));
    }
    body
}

fn extend(body: &mut Value, more: Value) {
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
}

/// Derives an id from the `jti` of a JWT, because the API description requires 32 hexadecimal digits and a
/// `jti` has 16 characters. The same `jti` always has the same id.
fn hexadecimal_id(jti: &str) -> String {
    let digest = digest::digest(&digest::SHA256, jti.as_bytes());
    format!("oat_{}", ids::hex(digest.as_ref().get(..16).unwrap_or_default()))
}
