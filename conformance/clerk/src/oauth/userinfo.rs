//! The userinfo endpoint (OIDC Core §5.3), with Clerk's members and errors.

use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::{Value, json};

use crate::{
    http::{incoming::Incoming, respond},
    store::{instance::Instance, scope},
    tokens::recipes::profile_claims,
};

pub(crate) fn userinfo(instance: &Instance, incoming: &Incoming) -> Response {
    let Some(token) = incoming.credentials("Bearer") else {
        return refuse(
            instance,
            "An access token is expected in the Authorization header",
        );
    };
    let Some(token) = instance.find_access_token(token) else {
        return refuse(instance, "The access token is not one of this instance");
    };
    if !token.is_active() {
        return refuse(instance, "The access token has expired or was revoked");
    }
    let directory = instance.directory.read();
    let Some(user) = directory.user_by_id(&token.user_id) else {
        return refuse(instance, "The user of the access token does not exist");
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

/// Clerk's envelope, and the challenge that RFC 6750 §3 asks for.
fn refuse(instance: &Instance, long_message: &str) -> Response {
    let body = json!({
        "errors": [{
            "message": "Failed to fetch user",
            "long_message": long_message,
            "code": "oauth_fetch_user_error",
        }],
        "clerk_trace_id": instance.ids.trace_id(),
    });
    let response = respond::no_store(respond::json(StatusCode::UNAUTHORIZED, &body));
    respond::with_header(
        response,
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(r#"Bearer error="invalid_token""#),
    )
}
