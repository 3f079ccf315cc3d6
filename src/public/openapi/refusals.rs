//! The error responses of the MCP endpoint that come from the table of refusals.

use poem::http::StatusCode;
use serde_json::{Map, Value, json};

use super::add_example;
use crate::{
    auth::{AuthError, ChallengeContext, Outage},
    clerk::Misconfiguration,
    public::PublicSettings,
    session::Denied,
    token::{BearerError, FetchError, TokenError},
};

/// Adds one example for each row of the table of refusals, with its headers.
#[expect(
    clippy::indexing_slicing,
    reason = "assigning to a missing member of a JSON value creates it"
)]
pub(super) fn add(responses: &mut Map<String, Value>, settings: &PublicSettings) {
    let challenge = ChallengeContext::new(&settings.resources, settings.scopes.clone());
    for (name, summary, error) in refusals(settings) {
        let refusal = error.refusal();
        let value = json!({ "error": refusal.error, "error_description": refusal.description });
        let entry = add_example(responses, refusal.status, "Refusal", name, summary, &value);
        if let Some(wait) = refusal.retry_after {
            entry["headers"]["Retry-After"] = json!({ "schema": { "type": "integer" }, "description": "Seconds", "example": wait.as_secs() });
        }
        if let Some(header) = refusal.into_response(&challenge).header("www-authenticate") {
            entry["headers"]["WWW-Authenticate"]["schema"] = json!({ "type": "string" });
            entry["headers"]["WWW-Authenticate"]["description"] = "RFC 6750 §3, RFC 9728 §5.1".into();
            entry["headers"]["WWW-Authenticate"]["examples"][name] = json!({ "value": header });
        }
    }
    let summary = "A web page of another origin sent the request";
    let value = json!({ "error": "forbidden", "error_description": "Origin not allowed" });
    add_example(
        responses,
        StatusCode::FORBIDDEN,
        "Refusal",
        "other-origin",
        summary,
        &value,
    );
}

/// Returns one error for each row of the table of refusals.
fn refusals(settings: &PublicSettings) -> Vec<(&'static str, &'static str, AuthError)> {
    vec![
        (
            "more-than-one-credential",
            "More than one token",
            BearerError::MoreThanOne.into(),
        ),
        ("no-token", "No token", BearerError::Missing.into()),
        (
            "expired-token",
            "The token has expired",
            TokenError::Expired {
                since: std::time::Duration::ZERO,
            }
            .into(),
        ),
        (
            "invalid-token",
            "The token is invalid",
            TokenError::Signature.into(),
        ),
        (
            "missing-scope",
            "The token lacks a scope",
            Denied::Scopes {
                needed: settings.scopes.clone(),
                granted: Vec::new(),
            }
            .into(),
        ),
        (
            "missing-role",
            "The caller lacks a role",
            Denied::Role {
                needed: "org:admin".to_owned(),
            }
            .into(),
        ),
        (
            "internal-error",
            "The server has an internal error",
            AuthError::Internal,
        ),
        (
            "bad-secret-key",
            "The server's secret key is wrong",
            Misconfiguration::KeyRejected.into(),
        ),
        (
            "clerk-unavailable",
            "Clerk is unavailable",
            Outage::from(FetchError::Status(503)).into(),
        ),
    ]
}
