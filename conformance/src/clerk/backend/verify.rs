//! Asking whether an OAuth access token holds, whatever its form.

use aws_lc_rs::digest;
use serde_json::{Value, json};

use super::error::ClerkError;
use crate::clerk::{
    access_token::{AccessToken, Lookup},
    ids,
    incoming::Incoming,
    state::Instance,
};

/// `POST /oauth_applications/access_tokens/verify`.
///
/// A token that never was is a 404; one that was shows its flags; an expired JWT is only `active: false`. Times are
/// seconds here, unlike everywhere else in this API.
pub(super) fn access_token(instance: &Instance, incoming: &Incoming) -> Result<Value, ClerkError> {
    if !incoming.has_content_type("application/json") {
        return Err(ClerkError::unsupported_content_type());
    }
    let body: Value = serde_json::from_slice(incoming.body())
        .map_err(|_| ClerkError::bad_request("The request body is not JSON"))?;
    let token = body
        .get("access_token")
        // The deprecated name of the same.
        .or_else(|| body.get("secret"))
        .and_then(Value::as_str)
        .ok_or_else(|| ClerkError::bad_request("access_token must be a string"))?;
    match instance.look_up(token) {
        Lookup::Found(token) if token.is_jwt && token.expired => Ok(json!({ "active": false })),
        Lookup::Found(token) => Ok(view(&token)),
        Lookup::Unknown => Err(ClerkError::token_not_found()),
    }
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
    if let (false, Some(view)) = (token.resources.is_empty(), view.as_object_mut()) {
        view.insert("aud".to_owned(), json!(token.resources));
    }
    view
}

/// The description wants 32 hexadecimal digits where the `jti` of a JWT has 16 characters: the same id every time.
fn hexadecimal_id(jti: &str) -> String {
    let digest = digest::digest(&digest::SHA256, jti.as_bytes());
    format!("oat_{}", ids::hex(digest.as_ref().get(..16).unwrap_or_default()))
}
