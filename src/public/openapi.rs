//! The OpenAPI document: what poem-openapi knows of the public operations, and the routes it doesn't serve.

use poem::http::StatusCode;
use poem_openapi::OpenApiService;
use serde_json::{Map, Value, json};

use super::{PublicApi, PublicSettings};
use crate::{
    auth::{AuthError, ChallengeContext, Outage},
    clerk::Misconfiguration,
    paths,
    session::Denied,
    token::{BearerError, FetchError, KeyLookupError, TokenError},
};

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document(Value);

impl Document {
    #[expect(
        clippy::indexing_slicing,
        reason = "a JSON value that is assigned to gets the members it lacks"
    )]
    pub(super) fn new(service: &OpenApiService<PublicApi, ()>, settings: &PublicSettings) -> Self {
        let mut document: Value = serde_json::from_str(&service.spec()).unwrap_or_default();
        if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
            // What the server is for comes first.
            paths.shift_insert(
                0,
                paths::MCP.to_owned(),
                json!({ "post": mcp_operation(settings) }),
            );
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
            components["schemas"]["JsonRpcError"] = json!({
                "type": "object",
                "description": "JSON-RPC 2.0 §5: what is wrong with a message, whose `id` is null when it could not be read.",
                "required": ["jsonrpc", "id", "error"],
                "properties": {
                    "jsonrpc": { "type": "string", "enum": ["2.0"] },
                    "id": { "nullable": true, "oneOf": [{ "type": "string" }, { "type": "integer" }] },
                    "error": {
                        "type": "object",
                        "required": ["code", "message"],
                        "properties": { "code": { "type": "integer" }, "message": { "type": "string" } },
                    },
                },
            });
        }
        Self(document)
    }

    /// The document as indented JSON.
    pub(crate) fn json(&self) -> String {
        format!("{:#}", self.0)
    }

    /// The document as YAML.
    pub(crate) fn yaml(&self) -> String {
        serde_norway::to_string(&self.0).unwrap_or_default()
    }

    pub(super) fn value(&self) -> &Value {
        &self.0
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
            "description": "The JSON-RPC response, also of a tool that failed. As events where it takes a while and tells of \
                            its progress, and for `subscriptions/listen`.",
            "content": {
                "application/json": { "schema": { "type": "object" }, "examples": results() },
                "text/event-stream": { "schema": { "type": "string" } },
            },
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
    responses["403"]["content"]["application/json"]["examples"]["other-origin"] = json!({
        "summary": "A page of an origin that isn't allowed",
        "value": { "error": "forbidden", "error_description": "Origin not allowed" },
    });
    for MessageFault {
        status,
        name,
        summary,
        id,
        code,
        message,
    } in message_faults()
    {
        let entry = responses.entry(status.as_str()).or_insert_with(|| {
            json!({
                "description": status.canonical_reason(),
                "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/JsonRpcError" },
                    "examples": {},
                }},
            })
        });
        let content = &mut entry["content"]["application/json"];
        if content["schema"]["$ref"] == "#/components/schemas/Refusal" {
            content["schema"] = json!({ "oneOf": [
                { "$ref": "#/components/schemas/Refusal" }, { "$ref": "#/components/schemas/JsonRpcError" },
            ]});
        }
        content["examples"][name] = json!({
            "summary": summary,
            "value": { "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } },
        });
    }
    responses.sort_keys();
    json!({
        "tags": ["MCP"],
        "operationId": "mcp",
        "summary": "MCP endpoint",
        "description": "JSON-RPC 2.0 over streamable HTTP (MCP 2026-07-28 and, with `initialize`, 2025-11-25 and \
                        before). `Accept` must name both `application/json` and `text/event-stream`. Other methods than \
                        POST are answered with 405 and `Allow`.",
        "security": [{ "clerk": [] }],
        "parameters": [{
            "name": "MCP-Protocol-Version", "in": "header", "required": false,
            "schema": { "type": "string" }, "example": "2025-11-25",
        }],
        "requestBody": { "required": true, "content": { "application/json": {
            "schema": { "type": "object" },
            "examples": {
                "greet": { "summary": "Call the tool greet", "value": {
                    "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                    "params": { "name": "greet", "arguments": { "name": "Ada" } },
                }},
                "whoami": { "summary": "Call the tool whoami", "value": {
                    "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                    "params": { "name": "whoami", "arguments": {} },
                }},
                "list": { "summary": "List the tools", "value": {
                    "jsonrpc": "2.0", "id": 1, "method": "tools/list",
                }},
            },
        }}},
        "responses": responses,
    })
}

/// What a call of a tool is answered with: a result, and one of a tool that failed.
fn results() -> Value {
    let result = |text: &str, is_error: bool| {
        json!({ "jsonrpc": "2.0", "id": 1, "result": {
            "content": [{ "type": "text", "text": text }],
            "isError": is_error,
        }})
    };
    json!({
        "greet": {
            "summary": "A greeting",
            "value": result("Hello, Ada! Your Clerk user ID is user_2sAdaLovelace0000000000000A", false),
        },
        "missing-argument": {
            "summary": "A tool that failed",
            "value": result("The argument `name` is missing.", true),
        },
    })
}

/// A fault of a message or of the way that it's sent, and the JSON-RPC error that answers it.
struct MessageFault {
    status: StatusCode,
    name: &'static str,
    summary: &'static str,
    id: Option<u32>,
    code: i32,
    message: &'static str,
}

/// What may be wrong with a message. In a test the server answers with these very words.
fn message_faults() -> [MessageFault; 5] {
    [
        MessageFault {
            status: StatusCode::BAD_REQUEST,
            name: "no-json",
            summary: "A body that isn't JSON",
            id: None,
            code: -32700,
            message: "The body is not JSON",
        },
        MessageFault {
            status: StatusCode::BAD_REQUEST,
            name: "unknown-revision",
            summary: "An MCP-Protocol-Version that the server doesn't know",
            id: Some(1),
            code: -32600,
            message: "Bad Request: Unsupported MCP-Protocol-Version: 1999-01-01",
        },
        MessageFault {
            status: StatusCode::NOT_ACCEPTABLE,
            name: "one-media-type",
            summary: "An Accept that doesn't name both media types",
            id: Some(1),
            code: -32600,
            message: "Not Acceptable: Client must accept both application/json and text/event-stream",
        },
        MessageFault {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            name: "too-large",
            summary: "A body beyond MAX_BODY",
            id: None,
            code: -32600,
            message: "The message is larger than 4194304 bytes",
        },
        MessageFault {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            name: "no-json-type",
            summary: "Another Content-Type than application/json",
            id: Some(1),
            code: -32600,
            message: "Unsupported Media Type: Content-Type must be application/json",
        },
    ]
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
                granted: Vec::new(),
            }
            .into(),
        ),
        (
            "missing-role",
            Denied::Role {
                needed: "org:admin".to_owned(),
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
            paths::DOCS.to_owned(),
            route(
                "docs",
                "This document, to be read and tried (Swagger UI)",
                "text/html",
            ),
        ),
        (
            paths::OPENAPI_JSON.to_owned(),
            route("openapiJson", "This document as JSON", "application/json"),
        ),
        (
            paths::OPENAPI_YAML.to_owned(),
            route("openapiYaml", "This document as YAML", "application/yaml"),
        ),
    ])
}
