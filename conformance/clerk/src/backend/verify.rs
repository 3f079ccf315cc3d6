//! Asking whether a token or key holds: OAuth access tokens whatever their form, opaque machine-to-machine tokens,
//! API keys.
//!
//! One that never was is a 404. One that was shows its flags, or is a 404 too, as the
//! [settings](crate::InactiveTokens) say.

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

/// `POST /oauth_applications/access_tokens/verify`.
///
/// An expired JWT is only `active: false`. Times are seconds here, unlike everywhere else in this API.
pub(super) fn access_token(instance: &Instance, incoming: &Incoming) -> Result<Value, ClerkError> {
    // `secret` is the deprecated name of the same.
    let token = presented(incoming, &["access_token", "secret"])?;
    let hidden = |token: &AccessToken| {
        !token.is_active() && instance.settings.inactive_tokens == InactiveTokens::NotFound
    };
    match instance.find_access_token(&token) {
        Some(token) if token.is_jwt && token.expired => Ok(json!({ "active": false })),
        Some(token) if !hidden(&token) => Ok(view(&token)),
        Some(_) | None => Err(ClerkError::token_not_found("OAuth token")),
    }
}

/// `POST /m2m_tokens/verify`, with the secret key of the instance or of a machine that the token is meant for.
pub(super) fn m2m_token(instance: &Instance, incoming: &Incoming) -> Result<Value, ClerkError> {
    let token = find(instance, incoming, CredentialKind::M2m, "token", "Machine token")?;
    let credentials = instance.credentials.lock();
    let caller = incoming
        .credentials("Bearer")
        .and_then(|key| credentials.machine_by_secret(key));
    if caller.is_some_and(|machine| !token.scopes.contains(&machine.id)) {
        return Err(ClerkError::token_not_found("Machine token"));
    }
    let mut body = shared(instance, &token, "machine_to_machine_token");
    extend(
        &mut body,
        json!({ "scopes": token.scopes, "claims": token.claims }),
    );
    Ok(body)
}

/// `POST /api_keys/verify`.
pub(super) fn api_key(instance: &Instance, incoming: &Incoming) -> Result<Value, ClerkError> {
    let key = find(instance, incoming, CredentialKind::ApiKey, "secret", "API key")?;
    let mut body = shared(instance, &key, "api_key");
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

/// The token or key in the body, under one of these names.
fn presented(incoming: &Incoming, names: &[&str]) -> Result<String, ClerkError> {
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

fn find(
    instance: &Instance,
    incoming: &Incoming,
    kind: CredentialKind,
    name: &str,
    what: &str,
) -> Result<IssuedCredential, ClerkError> {
    let secret = presented(incoming, &[name])?;
    let now = instance.clock.now();
    let issued = instance.credentials.lock().record_use(kind, &secret, now);
    issued
        .filter(|one| one.is_active(now) || instance.settings.inactive_tokens == InactiveTokens::Flagged)
        .ok_or_else(|| ClerkError::token_not_found(what))
}

/// What both kinds say, times in milliseconds.
fn shared(instance: &Instance, issued: &IssuedCredential, object: &str) -> Value {
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

fn view(token: &AccessToken) -> Value {
    let mut view = json!({
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
    // Newer than the published description, which knows no such field: there only when a resource was granted.
    if !token.resources.is_empty() {
        extend(&mut view, json!({ "aud": token.resources }));
    }
    view
}

fn extend(body: &mut Value, more: Value) {
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
}

/// The description wants 32 hexadecimal digits where the `jti` of a JWT has 16 characters: the same id every time.
fn hexadecimal_id(jti: &str) -> String {
    let digest = digest::digest(&digest::SHA256, jti.as_bytes());
    format!("oat_{}", ids::hex(digest.as_ref().get(..16).unwrap_or_default()))
}
