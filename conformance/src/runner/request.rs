//! Composes the HTTP request of a step.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Value, json};

use super::values::{PUBLIC_TOOL, Values};
use crate::{
    case::{Message, Request, Revision, Step, ToolCall},
    wire::Outgoing,
};

/// Composes the request of a step whose placeholders are filled in. `session` is its MCP session.
///
/// # Errors
/// A sentence, when HTTP cannot express the request.
pub(super) fn compose(
    step: &Step,
    token: Option<&str>,
    session: Option<&str>,
    values: &Values,
) -> Result<Outgoing, String> {
    let has_credential = token.is_some() || step.authorization.is_some();
    let send = &with_default_message(&step.send, has_credential, values);
    let mcp = values.get("mcp").unwrap_or("/mcp");
    let path = send.path.clone().unwrap_or_else(|| mcp.to_owned());
    let is_raw = send.body.is_some() || send.body_bytes.is_some() || send.declared_bytes.is_some();
    let has_content = send.message.is_some() || send.call.is_some() || is_raw;
    let is_message = has_content || path == mcp;
    let method = match &send.method {
        Some(method) => {
            Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method:?} is not an HTTP method"))?
        }
        None if is_message => Method::POST,
        None => Method::GET,
    };
    let has_body = is_message && method == Method::POST || has_content;

    let mut headers = HeaderMap::new();
    let host = values.get("authority").unwrap_or_default();
    set(&mut headers, "host", host)?;
    set(
        &mut headers,
        "user-agent",
        concat!("clerk-mcp-conformance/", env!("CARGO_PKG_VERSION")),
    )?;
    if has_body {
        set(&mut headers, "content-type", "application/json")?;
    }
    if path == mcp || has_content {
        set(&mut headers, "accept", "application/json, text/event-stream")?;
    }
    let body = if has_body { body(send) } else { Vec::new() };
    if has_body && !is_raw {
        for (name, value) in protocol_headers(send) {
            set(&mut headers, name, &value)?;
        }
    }
    if let Some(session) = session {
        set(&mut headers, "mcp-session-id", session)?;
    }
    let credentials = match (&step.authorization, token) {
        (Some(values), token) => values
            .iter()
            .map(|value| value.replace("{token}", token.unwrap_or_default()))
            .collect(),
        (None, Some(token)) => vec![format!("Bearer {token}")],
        (None, None) => Vec::new(),
    };
    for value in credentials {
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
            "the Authorization header contains characters that no header may contain".to_owned()
        })?;
        headers.append(header::AUTHORIZATION, value);
    }
    let insert_token = |text: &str| text.replace("{token}", token.unwrap_or_default());
    for (name, value) in &send.headers {
        if value.is_empty() {
            headers.remove(name.as_str());
        } else {
            set(&mut headers, name, &insert_token(value))?;
        }
    }
    for (name, value) in &send.append {
        let mut added = HeaderMap::new();
        set(&mut added, name, &insert_token(value))?;
        for (name, value) in &added {
            headers.append(name, value.clone());
        }
    }
    let body = match &send.body {
        Some(text) if send.latin1 => insert_token(text).chars().map(latin1).collect(),
        Some(text) => insert_token(text).into_bytes(),
        None => body,
    };
    Ok(Outgoing {
        method,
        path: insert_token(&path),
        headers,
        body,
        chunked: send.chunked,
        after: None,
        http2: send.http2,
        declared_bytes: send.declared_bytes,
    })
}

/// Sets the id of the message that the suite composed for a step. A client must not use an id twice in a session.
pub(super) fn set_message_id(request: &mut Outgoing, step: &Step, id: usize) {
    let is_raw = step.send.body.is_some() || step.send.body_bytes.is_some();
    if let Ok(Value::Object(mut message)) = serde_json::from_slice(&request.body)
        && !is_raw
        && message.contains_key("id")
    {
        message.insert("id".to_owned(), json!(id));
        request.body = Value::Object(message).to_string().into_bytes();
    }
}

/// Returns the request with a call that requires a token, if it has no message and no credential and
/// `initialize` requires no token.
fn with_default_message(send: &Request, has_credential: bool, values: &Values) -> Request {
    let mut send = send.clone();
    let is_default = send.message.is_none() && send.call.is_none() && send.body.is_none();
    let is_at_the_endpoint = send.path.is_none() && send.method.is_none() && send.body_bytes.is_none();
    if is_default && is_at_the_endpoint && !has_credential && values.get(PUBLIC_TOOL).is_some() {
        send.call = values.get("identity_tool").map(|tool| ToolCall {
            tool: tool.to_owned(),
            arguments: serde_json::Map::new(),
        });
    }
    send
}

/// Encodes a character in ISO 8859-1.
fn latin1(character: char) -> u8 {
    u8::try_from(u32::from(character)).unwrap_or(b'?')
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let name = HeaderName::try_from(name).map_err(|_| format!("{name:?} is not a header name"))?;
    let value = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| format!("the header {name} cannot have the value {value:?}"))?;
    headers.insert(name, value);
    Ok(())
}

fn body(send: &Request) -> Vec<u8> {
    if let Some(size) = send.body_bytes {
        let message = initialize().to_string();
        let padding = " ".repeat(size.saturating_sub(message.len()));
        return message.replacen('{', &format!("{{{padding}"), 1).into_bytes();
    }
    message(send).to_string().into_bytes()
}

/// Returns the JSON-RPC message of a step.
fn message(send: &Request) -> Value {
    let mut message = match (&send.call, send.message) {
        (Some(ToolCall { tool, arguments }), _) => json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": { "name": tool, "arguments": arguments },
        }),
        (None, None | Some(Message::Initialize)) => initialize(),
        (None, Some(Message::Initialized)) => json!({
            "jsonrpc": "2.0",
            "method": "notifications/initialized",
        }),
        (None, Some(other)) => json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": method_name(other),
            "params": {},
        }),
    };
    if send.revision == Revision::Mcp20260728
        && let Some(message) = message.as_object_mut()
    {
        let parameters = message.entry("params").or_insert_with(|| json!({}));
        if let Some(parameters) = parameters.as_object_mut() {
            parameters.insert("_meta".to_owned(), meta());
        }
    }
    message
}

/// Returns `initialize` of MCP 2025-11-25.
pub(crate) fn initialize() -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": Revision::Mcp20251125.name(),
            "capabilities": {},
            "clientInfo": client(),
        },
    })
}

fn client() -> Value {
    json!({ "name": "clerk-mcp-conformance", "version": env!("CARGO_PKG_VERSION") })
}

/// Returns the `_meta` object that every request of 2026-07-28 has.
fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": Revision::Mcp20260728.name(),
        "io.modelcontextprotocol/clientInfo": client(),
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

fn method_name(message: Message) -> &'static str {
    match message {
        Message::Initialize => "initialize",
        Message::Discover => "server/discover",
        Message::Ping => "ping",
        Message::ToolsList => "tools/list",
        Message::Initialized => "notifications/initialized",
    }
}

/// Returns the headers that repeat parts of the message.
fn protocol_headers(send: &Request) -> Vec<(&'static str, String)> {
    let method = match (&send.call, send.message) {
        (Some(_), _) => "tools/call",
        (None, message) => method_name(message.unwrap_or(Message::Initialize)),
    };
    let version = ("mcp-protocol-version", send.revision.name().to_owned());
    match send.revision {
        // `initialize` negotiates the version, so its own request has no header.
        Revision::Mcp20251125 if method == "initialize" => Vec::new(),
        Revision::Mcp20251125 => vec![version],
        Revision::Mcp20260728 => {
            let mut headers = vec![version, ("mcp-method", method.to_owned())];
            if let Some(ToolCall { tool, .. }) = &send.call {
                headers.push(("mcp-name", tool.clone()));
            }
            headers
        }
    }
}
