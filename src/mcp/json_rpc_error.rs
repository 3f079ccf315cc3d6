//! JSON-RPC error responses of the MCP endpoint: our own, and those made from rmcp's plain-text errors.

use poem::{
    IntoResponse, Response,
    http::{StatusCode, header},
};
use serde_json::{Value, json};

use crate::log_limit::log_limited;

/// Returns a JSON-RPC error response. `id` is the id of the message, as written in it; without one the
/// response has the id null (JSON-RPC 2.0 §5).
pub(super) fn error(status: StatusCode, code: i32, message: impl AsRef<str>, id: Option<&str>) -> Response {
    let id: Option<Value> = id.and_then(|id| serde_json::from_str(id).ok());
    let body = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message.as_ref() } });
    poem::web::Json(body)
        .with_status(status)
        .with_header(header::CACHE_CONTROL, "no-store")
        .into_response()
}

/// Converts a plain-text error of rmcp to a JSON-RPC error, for clients that parse every response as
/// JSON-RPC. The message is the entry of `texts` for the status, or rmcp's own text if there is none. The
/// text of a server error describes internals, so it is logged instead. Keeps the `Allow` header, and returns
/// any other response unchanged.
pub(super) async fn text_to_json(
    response: Response,
    id: Option<&str>,
    texts: &[(StatusCode, &str)],
) -> Response {
    let is_text = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || !is_text {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = body.into_string().await.unwrap_or_default();
    if status.is_server_error() {
        log_limited!(error, "rmcp", error = text, "rmcp failed");
        return error(status, INTERNAL_ERROR, "Internal error", id);
    }
    let message = match (texts.iter().find(|(of, _)| *of == status), text.trim()) {
        (Some(&(_, message)), _) => message,
        (None, "") => status.canonical_reason().unwrap_or("The request was rejected"),
        (None, text) => text,
    };
    let mut converted = error(status, INVALID_REQUEST, message, id);
    if let Some(allow) = parts.headers.get(header::ALLOW) {
        converted.headers_mut().insert(header::ALLOW, allow.clone());
    }
    converted
}

/// JSON-RPC 2.0 §5.1: "Invalid JSON was received".
pub(super) const PARSE_ERROR: i32 = -32700;
/// JSON-RPC 2.0 §5.1: "The method does not exist". MCP 2026-07-28, "Transports", sends it with status 404.
pub(super) const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC 2.0 §5.1: "Invalid method parameter(s)".
pub(super) const INVALID_PARAMS: i32 = -32602;
/// JSON-RPC 2.0 §5.1: "Internal JSON-RPC error".
pub(super) const INTERNAL_ERROR: i32 = -32603;
/// JSON-RPC 2.0 §5.1: "The JSON sent is not a valid Request object".
pub(super) const INVALID_REQUEST: i32 = -32600;
/// The first code of the range that JSON-RPC 2.0 §5.1 reserves for servers.
pub(super) const SERVER_ERROR: i32 = -32000;
