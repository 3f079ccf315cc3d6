//! The security scheme and the schemas that operations refer to.

use serde_json::{Value, json};

/// Adds the security scheme and the schemas to `components`, a JSON object.
#[expect(
    clippy::indexing_slicing,
    reason = "assigning to a missing member of a JSON value creates it"
)]
pub(super) fn add(components: &mut Value) {
    components["securitySchemes"] = json!({ "clerk": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A session token or an OAuth access token of the Clerk application (RFC 6750 §2.1). \
                        OAuth tokens must name this server in `aud`.",
    }});
    components["schemas"]["Refusal"] = json!({
        "type": "object",
        "description": "An error (RFC 6749 §5.2): a code for programs and a description for people.",
        "required": ["error", "error_description"],
        "properties": { "error": { "type": "string" }, "error_description": { "type": "string" } },
    });
    components["schemas"]["JsonRpcMessage"] = json!({
        "type": "object",
        "description": "A JSON-RPC request, or a notification if it has no `id` (JSON-RPC 2.0 §4).",
        "required": ["jsonrpc", "method"],
        "properties": {
            "jsonrpc": { "type": "string", "enum": ["2.0"] },
            "id": { "oneOf": [{ "type": "string" }, { "type": "integer" }] },
            "method": { "type": "string", "example": "tools/list" },
            "params": {
                "type": "object",
                "nullable": true,
                "properties": { "_meta": { "type": "object", "nullable": true } },
            },
        },
    });
    components["schemas"]["JsonRpcError"] = json!({
        "type": "object",
        "description": "A JSON-RPC error (JSON-RPC 2.0 §5). `id` is null if the id of the message could not be read.",
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
