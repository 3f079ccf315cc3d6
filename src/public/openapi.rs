//! The OpenAPI document: what poem-openapi knows of the public operations, and the routes it doesn't serve.

use poem_openapi::OpenApiService;
use serde_json::{Map, Value, json};

use super::{PublicApi, PublicSettings};
use crate::{
    auth::{AuthError, ChallengeContext, Outage},
    secret_key::Misconfiguration,
    session::Denied,
    token::{BearerError, FetchError, KeyLookupError, TokenError},
};

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document(Value);

impl Document {
    #[expect(
        clippy::indexing_slicing,
        reason = "a JSON value that is assigned to gets the members it lacks"
    )]
    pub(super) fn new(service: &OpenApiService<PublicApi, ()>, settings: &PublicSettings) -> Self {
        let mut document: Value = serde_json::from_str(&service.spec()).unwrap_or_default();
        if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
            // What the server is for comes first.
            paths.shift_insert(0, "/mcp".to_owned(), json!({ "post": mcp_operation(settings) }));
            paths.extend(document_routes());
        }
        if let Some(tags) = document.get_mut("tags").and_then(Value::as_array_mut) {
            tags.insert(
                0,
                json!({ "name": "MCP", "description": "The protected endpoint." }),
            );
        }
        if let Some(document) = document.as_object_mut() {
            let components = document.entry("components").or_insert_with(|| json!({}));
            components["securitySchemes"] = json!({ "clerk": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A session token or an OAuth access token of the Clerk application (RFC 6750 §2.1). \
                                OAuth tokens must name this server in `aud`.",
            }});
            components["schemas"]["Refusal"] = json!({
                "type": "object",
                "description": "RFC 6749 §5.2: what is wrong, for programs and for people.",
                "required": ["error", "error_description"],
                "properties": { "error": { "type": "string" }, "error_description": { "type": "string" } },
            });
        }
        Self(document)
    }

    /// The document as indented JSON.
    pub fn json(&self) -> String {
        format!("{:#}", self.0)
    }

    /// The document as YAML.
    pub fn yaml(&self) -> String {
        serde_norway::to_string(&self.0).unwrap_or_default()
    }

    /// Swagger UI with the document in it: one page, nothing from another host.
    pub(super) fn swagger_ui(&self, service: &OpenApiService<PublicApi, ()>) -> String {
        // Inside a script, `</script>` and `<!--` would end it, wherever they stand in a string.
        let document = self.0.to_string().replace('<', "\\u003c");
        let page = service.swagger_ui_html();
        // poem-openapi's page has its own document inlined, which lacks the routes added above.
        let page = page.replace(&service.spec(), &document);
        let page = page.replace(
            "<title>Swagger UI</title>",
            "<title>API</title><link rel=\"icon\" href=\"data:,\">",
        );
        format!(
            "<!doctype html>{}",
            page.trim_start()
                .replacen("<html charset=\"UTF-8\">", "<html lang=\"en\">", 1)
        )
    }
}

/// The protected route. Its refusals come from the table itself, one example for each.
#[expect(
    clippy::indexing_slicing,
    reason = "a JSON value that is assigned to gets the members it lacks"
)]
fn mcp_operation(settings: &PublicSettings) -> Value {
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "The JSON-RPC response.",
            "content": { "application/json": { "schema": { "type": "object" } } },
        }),
    );
    responses.insert(
        "202".to_owned(),
        json!({ "description": "A notification was taken." }),
    );
    for (name, error) in refusals(settings) {
        let refusal = error.refusal();
        let response = refusal.into_response(&challenge_context(settings));
        let challenge = response.header("www-authenticate").map(str::to_owned);
        let status = response.status();
        let refusal = error.refusal();
        let entry = responses.entry(status.as_str()).or_insert_with(|| {
            json!({
                "description": status.canonical_reason(),
                "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Refusal" },
                    "examples": {},
                }},
            })
        });
        entry["content"]["application/json"]["examples"][name] = json!({
            "summary": error.reason().as_str(),
            "value": { "error": refusal.error, "error_description": refusal.description },
        });
        if let Some(challenge) = challenge {
            entry["headers"]["WWW-Authenticate"]["schema"] = json!({ "type": "string" });
            entry["headers"]["WWW-Authenticate"]["description"] = "RFC 6750 §3, RFC 9728 §5.1".into();
            entry["headers"]["WWW-Authenticate"]["examples"][name] = json!({ "value": challenge });
        }
        if let Some(wait) = refusal.retry_after {
            entry["headers"]["Retry-After"] = json!({ "schema": { "type": "integer" }, "description": "Seconds", "example": wait.as_secs() });
        }
    }
    json!({
        "tags": ["MCP"],
        "operationId": "mcp",
        "summary": "MCP endpoint",
        "description": "JSON-RPC 2.0 over streamable HTTP (MCP 2026-07-28 and, with `initialize`, 2025-11-25 and \
                        before).",
        "security": [{ "clerk": [] }],
        "parameters": [{
            "name": "MCP-Protocol-Version", "in": "header", "required": false,
            "schema": { "type": "string" }, "example": "2025-11-25",
        }],
        "requestBody": { "required": true, "content": { "application/json": {
            "schema": { "type": "object" },
            "examples": { "greet": { "summary": "Call the tool greet", "value": {
                "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": { "name": "greet", "arguments": { "name": "Ada" } },
            }}},
        }}},
        "responses": responses,
    })
}

/// One error for each row of the table.
fn refusals(settings: &PublicSettings) -> Vec<(&'static str, AuthError)> {
    vec![
        ("more-than-one-credential", BearerError::MoreThanOne.into()),
        ("no-token", BearerError::Missing.into()),
        (
            "expired-token",
            TokenError::Expired {
                since: std::time::Duration::ZERO,
            }
            .into(),
        ),
        ("invalid-token", TokenError::Signature.into()),
        (
            "missing-scope",
            Denied::Scopes {
                needed: settings.scopes.clone(),
            }
            .into(),
        ),
        ("our-own-fault", AuthError::Internal),
        ("bad-secret-key", Misconfiguration::KeyRefused.into()),
        (
            "clerk-away",
            Outage::from(KeyLookupError {
                cause: FetchError::Status(503),
            })
            .into(),
        ),
    ]
}

fn challenge_context(settings: &PublicSettings) -> ChallengeContext {
    ChallengeContext::new(&settings.resources, settings.scopes.clone())
}

/// The routes of the document itself.
fn document_routes() -> Map<String, Value> {
    let route = |id: &str, summary: &str, media_type: &str| {
        let responses = json!({ "200": { "description": summary, "content": { media_type: {} } } });
        json!({ "get": { "tags": ["Pages"], "operationId": id, "summary": summary, "responses": responses } })
    };
    Map::from_iter([
        (
            "/docs".to_owned(),
            route(
                "docs",
                "This document, to be read and tried (Swagger UI)",
                "text/html",
            ),
        ),
        (
            "/openapi.json".to_owned(),
            route("openapiJson", "This document as JSON", "application/json"),
        ),
        (
            "/openapi.yaml".to_owned(),
            route("openapiYaml", "This document as YAML", "application/yaml"),
        ),
    ])
}
