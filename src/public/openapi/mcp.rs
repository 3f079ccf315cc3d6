//! The operation of the MCP endpoint.

use rmcp::model::ProtocolVersion;
use serde_json::{Map, Value, json};

use super::{message_errors, refusals};
use crate::public::PublicSettings;

/// Returns the operation of the MCP endpoint. The error responses come from the table of refusals, and
/// from examples of invalid messages.
pub(super) fn operation(settings: &PublicSettings) -> Value {
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "The JSON-RPC response, also if the tool failed. Sent as an event stream if the tool reports progress, \
                            and for `subscriptions/listen`.",
            "content": {
                "application/json": { "schema": { "type": "object" }, "examples": results() },
                "text/event-stream": { "schema": { "type": "string" } },
            },
        }),
    );
    responses.insert(
        "202".to_owned(),
        json!({ "description": "The notification was accepted." }),
    );
    refusals::add(&mut responses, settings);
    message_errors::add(&mut responses);
    responses.sort_keys();
    let other_methods = if settings.sessions {
        "In an MCP session, GET opens an event stream, and DELETE ends the session."
    } else {
        "Methods other than POST return 405 with `Allow`."
    };
    let security = if settings.allows_anonymous {
        // The empty requirement makes the token optional (OpenAPI 3.0.3, "Operation Object").
        json!([{ "clerk": [] }, {}])
    } else {
        json!([{ "clerk": [] }])
    };
    json!({
        "tags": ["MCP"],
        "operationId": "mcp",
        "summary": "MCP endpoint",
        "description": format!(
            "JSON-RPC 2.0 over streamable HTTP (MCP 2026-07-28 and, with `initialize`, 2025-11-25 and earlier). `Accept` \
             must allow both `application/json` and `text/event-stream`; `*/*` and no `Accept` allow both. {other_methods}"
        ),
        "security": security,
        "parameters": [{
            "name": "MCP-Protocol-Version", "in": "header", "required": false,
            "schema": { "type": "string", "enum": ProtocolVersion::KNOWN_VERSIONS }, "example": "2025-11-25",
            "description": "2026-07-28 also needs the headers `Mcp-Method` and `Mcp-Name`, and the `_meta` of the revision.",
        }],
        "requestBody": { "required": true, "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/JsonRpcMessage" },
            "examples": {
                "tools-list": { "summary": "List the tools", "value": {
                    "jsonrpc": "2.0", "id": 1, "method": "tools/list",
                }},
            },
        }}},
        "responses": responses,
    })
}

/// Returns example results of tool calls: one that succeeded and one that failed. The real results are not known
/// here, so each text says what the tool would return there.
fn results() -> Value {
    let result = |text: &str, is_error: bool| {
        json!({ "jsonrpc": "2.0", "id": 1, "result": {
            "content": [{ "type": "text", "text": text }],
            "isError": is_error,
        }})
    };
    json!({
        "tool-result": {
            "summary": "A tool that succeeded",
            "value": result("The result of the tool", false),
        },
        "tool-error": {
            "summary": "A tool that failed",
            "value": result("What went wrong, so that the model can correct its call", true),
        },
    })
}
