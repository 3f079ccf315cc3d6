//! The error responses of the MCP endpoint to invalid JSON-RPC messages.

use poem::http::StatusCode;
use serde_json::{Map, Value, json};

use super::add_example;

/// Adds one example for each kind of invalid message.
pub(super) fn add(responses: &mut Map<String, Value>) {
    for MessageError {
        status,
        name,
        summary,
        id,
        code,
        message,
    } in message_errors()
    {
        let value = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
        add_example(responses, status, "JsonRpcError", name, summary, &value);
    }
}

/// An invalid request, and the JSON-RPC error that the server returns for it.
struct MessageError {
    status: StatusCode,
    name: &'static str,
    summary: &'static str,
    id: Option<u32>,
    code: i32,
    message: &'static str,
}

/// Returns an example for each kind of invalid request. A test checks that the server returns the same
/// messages.
fn message_errors() -> [MessageError; 9] {
    [
        MessageError {
            status: StatusCode::BAD_REQUEST,
            name: "not-json",
            summary: "The body is not JSON",
            id: None,
            code: -32700,
            message: "The body is not JSON",
        },
        MessageError {
            status: StatusCode::BAD_REQUEST,
            name: "unknown-revision",
            summary: "The MCP-Protocol-Version is not supported",
            id: Some(1),
            code: -32600,
            message: "Bad Request: Unsupported MCP-Protocol-Version: 1999-01-01",
        },
        MessageError {
            status: StatusCode::NOT_FOUND,
            name: "unknown-method",
            summary: "The method does not exist in the revision of the request",
            id: Some(1),
            code: -32601,
            message: "initialize was removed in 2026-07-28 (SEP-2575)",
        },
        MessageError {
            status: StatusCode::NOT_ACCEPTABLE,
            name: "one-media-type",
            summary: "Accept does not allow both media types",
            id: Some(1),
            code: -32600,
            message: "Accept must allow both application/json and text/event-stream, because a tool may answer with \
                      either: name both, or send */* or no Accept header",
        },
        MessageError {
            status: StatusCode::REQUEST_TIMEOUT,
            name: "too-slow",
            summary: "The body does not arrive in time",
            id: None,
            code: -32600,
            message: "The message was not received within the time limit",
        },
        MessageError {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            name: "too-large",
            summary: "The body is larger than MAX_BODY",
            id: None,
            code: -32600,
            message: "The message is larger than 4194304 bytes",
        },
        MessageError {
            status: StatusCode::TOO_MANY_REQUESTS,
            name: "too-many-bytes",
            summary: "The user sends too many large messages at once",
            id: None,
            code: -32000,
            message: "You send too many large messages at once; wait for some of the responses",
        },
        MessageError {
            status: StatusCode::SERVICE_UNAVAILABLE,
            name: "too-many-bytes",
            summary: "All users together send too many large messages at once",
            id: None,
            code: -32000,
            message: "The server receives too many large messages at once; try again later",
        },
        MessageError {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            name: "not-json-type",
            summary: "Content-Type is not application/json",
            id: Some(1),
            code: -32600,
            message: "Unsupported Media Type: Content-Type must be application/json",
        },
    ]
}
