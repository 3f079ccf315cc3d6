//! The userinfo endpoint (OIDC Core §5.3), with Clerk's members and errors.

use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::{Value, json};

use super::error::clerk_error;
use crate::{
    http::{incoming::Incoming, respond},
    store::{instance::Instance, scope},
    tokens::recipes::profile_claims,
};

/// Returns the claims about the user that the scopes of the access token allow.
pub(crate) fn userinfo(instance: &Instance, incoming: &Incoming) -> Response {
    let Some(token) = incoming.credentials("Bearer") else {
        return unauthorized(
            instance,
            "The Authorization header must contain a Bearer access token",
        );
    };
    let Some(token) = instance.find_access_token(token) else {
        return unauthorized(instance, "The access token was not issued by this instance");
    };
    if !token.is_active() {
        return unauthorized(instance, "The access token has expired or was revoked");
    }
    let directory = instance.directory.read();
    let Some(user) = directory.user_by_id(&token.user_id) else {
        return unauthorized(instance, "The user of the access token does not exist");
    };
    let mut claims = profile_claims(user, &token.scopes);
    if token.scopes.contains("public_metadata") {
        claims.push(("public_metadata", json!({})));
    }
    if token.scopes.contains("private_metadata") {
        claims.push(("private_metadata", json!({})));
    }
    let organization = token
        .organization_id
        .as_deref()
        .filter(|_| token.scopes.contains(scope::ORGANIZATION));
    if let Some(organization) = organization.and_then(|id| directory.organization(id).ok()) {
        claims.push(("org_id", json!(organization.id)));
        claims.push(("org_name", json!(organization.name)));
        claims.push(("org_slug", json!(organization.slug)));
    }
    let mut body = json!({
        "object": "oauth_user_info",
        "instance_id": instance.id,
        "user_id": user.id,
        "sub": user.id,
    });
    if let Some(body) = body.as_object_mut() {
        body.extend(
            claims
                .into_iter()
                .map(|(name, value): (&str, Value)| (name.to_owned(), value)),
        );
    }
    respond::no_store(respond::json(StatusCode::OK, &body))
}

/// Responds with Clerk's error for an access token that is not accepted, and the challenge that RFC 6750 §3
/// requires.
fn unauthorized(instance: &Instance, long_message: &str) -> Response {
    let response = clerk_error(
        instance,
        StatusCode::UNAUTHORIZED,
        "oauth_fetch_user_error",
        "Failed to fetch user",
        long_message,
    );
    respond::with_header(
        response,
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(r#"Bearer error="invalid_token""#),
    )
}
