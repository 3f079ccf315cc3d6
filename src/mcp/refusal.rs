//! Refusals of the MCP endpoint, as JSON-RPC errors: what came is no message, or belongs to no session.

use poem::{
    IntoResponse, Response,
    http::{StatusCode, header},
};
use serde_json::{Value, json};

/// A JSON-RPC error; its id is null when that of the message (`id`, as it was written) could not be read (JSON-RPC 2.0 §5).
pub(super) fn error(status: StatusCode, code: i32, message: impl AsRef<str>, id: Option<&str>) -> Response {
    let id: Option<Value> = id.and_then(|id| serde_json::from_str(id).ok());
    let body = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message.as_ref() } });
    poem::web::Json(body)
        .with_status(status)
        .with_header(header::CACHE_CONTROL, "no-store")
        .into_response()
}

/// Puts `message` in place of a refusal of rmcp's that is plain text, about the message of this id; its status and `Allow` are
/// kept, and so is every other response.
pub(super) fn worded(response: Response, status: StatusCode, message: &str, id: Option<&str>) -> Response {
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if response.status() != status || is_json {
        return response;
    }
    let mut refusal = error(status, INVALID_REQUEST, message, id);
    if let Some(allow) = response.headers().get(header::ALLOW) {
        refusal.headers_mut().insert(header::ALLOW, allow.clone());
    }
    refusal
}

/// Puts a refusal of rmcp's that is plain text into JSON, in the same words and about the message of this id: a client that
/// reads every answer as JSON-RPC shows them, instead of stumbling over them. What it says of a fault of ours is for the log,
/// where it is. Every other response is kept.
pub(super) async fn in_json(response: Response, id: Option<&str>) -> Response {
    let is_text = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let status = response.status();
    if status.is_server_error() && is_text {
        return error(status, INTERNAL_ERROR, "Internal error", id);
    }
    if !status.is_client_error() || !is_text {
        return response;
    }
    let (parts, body) = response.into_parts();
    let words = body.into_string().await.unwrap_or_default();
    let words = match words.trim() {
        "" => status.canonical_reason().unwrap_or("The request was refused"),
        words => words,
    };
    let mut refusal = error(status, INVALID_REQUEST, words, id);
    if let Some(allow) = parts.headers.get(header::ALLOW) {
        refusal.headers_mut().insert(header::ALLOW, allow.clone());
    }
    refusal
}

/// JSON-RPC 2.0 §5.1: "Invalid JSON was received".
pub(super) const PARSE_ERROR: i32 = -32700;
/// JSON-RPC 2.0 §5.1: "The method does not exist"; MCP 2026-07-28, "Transports", has it with 404.
pub(super) const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC 2.0 §5.1: "Invalid method parameter(s)".
pub(super) const INVALID_PARAMS: i32 = -32602;
/// JSON-RPC 2.0 §5.1: "Internal JSON-RPC error".
pub(super) const INTERNAL_ERROR: i32 = -32603;
/// JSON-RPC 2.0 §5.1: "The JSON sent is not a valid Request object".
pub(super) const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC 2.0 §5.1: of the range that is left to servers.
pub(super) const SERVER_ERROR: i32 = -32000;
