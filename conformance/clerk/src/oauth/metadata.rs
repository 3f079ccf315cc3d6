//! The JWKS and the metadata documents at the well-known paths, with Clerk's fields.

use poem::{Response, http::StatusCode};
use serde_json::{Value, json};

use crate::{
    http::{incoming::Incoming, respond},
    store::instance::Instance,
};

/// The client authentication methods of the token endpoint (RFC 7591 §2).
pub(super) const AUTHENTICATION_METHODS: [&str; 3] = ["client_secret_basic", "none", "client_secret_post"];
pub(super) const GRANT_TYPES: [&str; 2] = ["authorization_code", "refresh_token"];
pub(super) const RESPONSE_TYPES: [&str; 1] = ["code"];

/// Returns the published keys as a JSON Web Key Set (RFC 7517 §5).
pub(crate) fn jwks(instance: &Instance, _: &Incoming) -> Response {
    respond::json(StatusCode::OK, &instance.keys.read().jwks())
}

/// Returns the authorization server metadata (RFC 8414 §2).
pub(crate) fn authorization_server(instance: &Instance, _: &Incoming) -> Response {
    let mut document = common_metadata(instance);
    extend(
        &mut document,
        json!({
            "service_documentation": "https://clerk.com/docs",
            "ui_locales_supported": ["en"],
            "op_tos_uri": "https://clerk.com/legal/standard-terms",
        }),
    );
    if instance.settings.dynamic_registration {
        let endpoint = format!("{}/oauth/register", instance.issuer);
        extend(&mut document, json!({ "registration_endpoint": endpoint }));
    }
    if instance.settings.client_id_metadata_documents {
        extend(
            &mut document,
            json!({ "client_id_metadata_document_supported": true }),
        );
    }
    respond::json(StatusCode::OK, &document)
}

/// Returns the OpenID provider metadata (OIDC Discovery 1.0 §3).
pub(crate) fn openid_configuration(instance: &Instance, _: &Incoming) -> Response {
    let mut document = common_metadata(instance);
    extend(
        &mut document,
        json!({
            "introspection_endpoint": format!("{}/oauth/token_info", instance.issuer),
            "userinfo_endpoint": format!("{}/oauth/userinfo", instance.issuer),
            "response_modes_supported": ["query", "form_post"],
            "backchannel_logout_supported": false,
            "frontchannel_logout_supported": false,
        }),
    );
    respond::json(StatusCode::OK, &document)
}

/// Returns the members that both metadata documents have.
fn common_metadata(instance: &Instance) -> Value {
    let issuer = &instance.issuer;
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "revocation_endpoint": format!("{issuer}/oauth/token/revoke"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": RESPONSE_TYPES,
        "grant_types_supported": GRANT_TYPES,
        "token_endpoint_auth_methods_supported": AUTHENTICATION_METHODS,
        "scopes_supported": instance.settings.scopes_supported().collect::<Vec<_>>(),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "email", "name", "org_id"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    })
}

fn extend(document: &mut Value, more: Value) {
    if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
        document.extend(more);
    }
}
