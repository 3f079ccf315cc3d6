//! JSON-RPC for both eras of MCP: with `initialize` (2025-11-25 and earlier), and without (2026-07-28).

use poem::{
    Response,
    http::{HeaderMap, StatusCode, header},
};
use rand::seq::SliceRandom as _;
use serde_json::{Map, Value, json};

use super::{caller::Caller, flaw::Flaw, jwt::unique_object, response::json_response, server::Server, tools};

/// The supported protocol versions.
pub(super) const VERSIONS: [&str; 5] = [
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    "2026-07-28",
];
const LEGACY: &str = "2025-11-25";
pub(super) const MODERN: &str = "2026-07-28";
/// Prefix of the `_meta` members that MCP defines.
pub(super) const META: &str = "io.modelcontextprotocol/";

/// A JSON-RPC error and its HTTP status.
pub(super) struct RpcError {
    status: u16,
    code: i32,
    message: String,
    data: Option<Value>,
}

impl RpcError {
    pub(super) fn new(status: u16, code: i32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            data: None,
        }
    }

    pub(super) fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }
}

impl Server {
    /// Handles the body of a request to the endpoint.
    pub(crate) async fn handle_mcp(&self, caller: &Caller, headers: &HeaderMap, body: &[u8]) -> Response {
        let replaced = String::from_utf8_lossy(body).into_owned();
        let body = if self.has(Flaw::BadUtf8Replaced) {
            replaced.as_bytes()
        } else {
            body
        };
        let depth = body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
        if depth > 100 && self.has(Flaw::DeepJsonAs500) {
            return self.error_response(&Value::Null, RpcError::new(500, -32603, "Internal error"));
        }
        let message = match self.parse(body) {
            Ok(message) => message,
            Err(error) => return self.error_response(&Value::Null, error),
        };
        if let Value::Array(batch) = message {
            let mut responses = Vec::new();
            for message in batch {
                let response = self.handle_message(caller, headers, &message).await;
                let text = response.into_body().into_string().await.unwrap_or_default();
                responses.push(serde_json::from_str(&text).unwrap_or(Value::Null));
            }
            return json_response(200, &Value::Array(responses));
        }
        self.handle_message(caller, headers, &message).await
    }

    /// Parses the body: one JSON object. Only a flaw accepts a batch.
    fn parse(&self, body: &[u8]) -> Result<Value, RpcError> {
        let invalid = |code, message: &str| RpcError::new(self.malformed_body_status(), code, message);
        let message: Value =
            serde_json::from_slice(body).map_err(|_| invalid(-32700, "The body is not JSON"))?;
        let accepts_batches = self.has(Flaw::BatchesProcessed) || self.has(Flaw::FirstOfBatchChecked);
        if message.is_array() && !accepts_batches {
            let text = "Batches are not supported; send one message at a time";
            return Err(invalid(-32600, text));
        }
        let lenient =
            message.is_object() && (self.has(Flaw::LastMethodCounts) || self.has(Flaw::FirstMemberChecked));
        if message.is_array() || lenient || unique_object(body).is_some() {
            return Ok(message);
        }
        Err(invalid(-32600, "The body is not a JSON-RPC message"))
    }

    /// Returns the status for a body that is not a message.
    fn malformed_body_status(&self) -> u16 {
        match self.flaw {
            Some(Flaw::BadJsonAs200) => 200,
            Some(Flaw::BadBodyAs500) => 500,
            _ => 400,
        }
    }

    /// Handles one message.
    async fn handle_message(&self, caller: &Caller, headers: &HeaderMap, message: &Value) -> Response {
        let accept = header_text(headers, header::ACCEPT.as_str()).to_ascii_lowercase();
        let accepts_both = ["application/json", "text/event-stream"]
            .iter()
            .all(|media_type| accept.contains(media_type));
        let accepts_any = matches!(&*accept, "" | "*/*") && !self.has(Flaw::AnyTypeRefused);
        if !accepts_both && !accepts_any && !self.has(Flaw::AnyAccept) {
            let text = "The client must accept both application/json and text/event-stream";
            return self.error_response(&Value::Null, RpcError::new(406, -32600, text));
        }
        let content_type = header_text(headers, header::CONTENT_TYPE.as_str());
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        let contained = self.has(Flaw::ContentTypeContained)
            && header_text(headers, header::CONTENT_TYPE.as_str()).contains("application/json");
        if !content_type.eq_ignore_ascii_case("application/json")
            && !contained
            && !self.has(Flaw::AnyContentType)
        {
            let text = "Content-Type must be application/json";
            return self.error_response(&Value::Null, RpcError::new(415, -32600, text));
        }
        let mut id = message.get("id").cloned().unwrap_or(Value::Null);
        if self.has(Flaw::IdsAsFloats) && id.is_number() {
            id = id.as_f64().into();
        }
        let number = id.as_str().and_then(|id| id.parse::<u64>().ok());
        if let (Some(number), true) = (number, self.has(Flaw::DigitIdsAsNumbers)) {
            id = number.into();
        }
        let method = message.get("method").and_then(Value::as_str);
        let valid_id = matches!(id, Value::Null | Value::String(_) | Value::Number(_));
        let right_version =
            message.get("jsonrpc") == Some(&json!("2.0")) || self.has(Flaw::AnyJsonRpcVersion);
        let Some(method) = method.filter(|_| right_version && valid_id) else {
            let text = "The body is not a JSON-RPC request or notification";
            return self.error_response(
                &Value::Null,
                RpcError::new(self.malformed_body_status(), -32600, text),
            );
        };
        let empty = Map::new();
        let params = match message.get("params") {
            Some(Value::Object(params)) => params,
            None => &empty,
            Some(_) if self.has(Flaw::WrongTypesAs500) => {
                return self.error_response(&id, RpcError::new(500, -32603, "Internal error"));
            }
            Some(_) => {
                let text = "params must be an object";
                return self.error_response(&id, RpcError::new(400, -32602, text));
            }
        };
        let modern = match self.is_modern(headers, method, params, message.get("id").is_some()) {
            Ok(modern) => modern,
            Err(error) => return self.error_response(&id, error),
        };
        let is_initialize = method == "initialize";
        if self.settings.sessions && !modern && !is_initialize {
            let made_up = self.has(Flaw::SessionIdAdopted) && headers.contains_key("mcp-session-id");
            let owner = self
                .session_owner(headers)
                .or_else(|| made_up.then(|| caller.clone()));
            let allowed =
                owner.is_some_and(|owner| owner.user == caller.user || self.has(Flaw::AnyonesSession));
            if !allowed {
                return self.error_response(&id, RpcError::new(404, -32600, "Unknown session"));
            }
        }
        if message.get("id").is_none() {
            if self.has(Flaw::NotificationsAnswered) {
                return json_response(200, &json!({ "jsonrpc": "2.0", "id": null, "result": {} }));
            }
            return Response::builder().status(StatusCode::ACCEPTED).finish();
        }
        match self.call_method(caller, method, params, modern).await {
            Ok(mut result) => {
                if let (Some(members), true) = (result.as_object_mut(), self.has(Flaw::TokenInResults)) {
                    members.insert("_meta".to_owned(), json!({ "token": caller.token }));
                }
                let add_result_type = modern && !self.has(Flaw::NoResultType);
                if let Some(members) = result.as_object_mut()
                    && add_result_type
                {
                    members.insert("resultType".to_owned(), "complete".into());
                }
                let id = if self.has(Flaw::IdLost) { json!(0) } else { id };
                let mut response =
                    json_response(200, &json!({ "jsonrpc": "2.0", "id": id, "result": result }));
                if self.settings.sessions && is_initialize {
                    let session = self.start_session(caller);
                    response.headers_mut().insert("mcp-session-id", session);
                }
                if self.has(Flaw::AnswersCacheable) {
                    let public = header::HeaderValue::from_static("public, max-age=60");
                    response.headers_mut().insert(header::CACHE_CONTROL, public);
                }
                response
            }
            Err(error) => self.error_response(&id, error),
        }
    }

    /// Runs a method and returns its result.
    async fn call_method(
        &self,
        caller: &Caller,
        method: &str,
        params: &Map<String, Value>,
        modern: bool,
    ) -> Result<Value, RpcError> {
        let server_info = json!({ "name": "broken", "title": "Clerk MCP server", "version": "1.0.0" });
        let instructions = "Gives the signed-in user information about their own Clerk account.";
        let initialized = self.stored_callers.lock().contains_key("initialized");
        if self.has(Flaw::HandshakeNeeded) && method != "initialize" && !initialized {
            return Err(RpcError::new(200, -32002, "Not initialized"));
        }
        match method {
            "initialize" if !self.has(Flaw::NewEraOnly) => {
                if self.has(Flaw::HandshakeNeeded) {
                    let mut stored = self.stored_callers.lock();
                    stored.insert("initialized".to_owned(), Caller::default());
                }
                let requested = params.get("protocolVersion").and_then(Value::as_str);
                let requested = requested.ok_or_else(|| {
                    RpcError::new(200, -32602, "initialize requires params.protocolVersion")
                })?;
                let supported =
                    VERSIONS.contains(&requested) && requested < MODERN && !self.has(Flaw::InitializeInsists)
                        || self.has(Flaw::InitializeEchoes);
                Ok(json!({
                    "protocolVersion": if supported { requested } else { LEGACY },
                    "capabilities": { "tools": {} },
                    "serverInfo": server_info,
                    "instructions": instructions,
                }))
            }
            "server/discover" if !self.has(Flaw::OldEraOnly) => Ok(json!({
                "supportedVersions": if self.has(Flaw::OneEraNamed) { &VERSIONS[4..] } else { &VERSIONS[..] },
                "capabilities": { "tools": {} },
                "instructions": instructions,
                "ttlMs": 0,
                "cacheScope": "private",
                "_meta": if self.has(Flaw::NoServerInfo) {
                    Value::Null
                } else {
                    json!({ format!("{META}serverInfo"): server_info })
                },
            })),
            "ping" if !modern && !self.has(Flaw::PingUnknown) => Ok(json!({})),
            "tools/list" => {
                let mut tools = tools::tool_list(self.flaw);
                if self.has(Flaw::ToolsInRandomOrder) {
                    tools.shuffle(&mut rand::rng());
                }
                let mut list = json!({ "tools": tools });
                if let Some(members) = list.as_object_mut()
                    && modern
                    && !self.has(Flaw::NoCacheHints)
                {
                    let scope = if self.has(Flaw::PublicCache) {
                        "public"
                    } else {
                        "private"
                    };
                    members.insert("ttlMs".to_owned(), 300_000.into());
                    members.insert("cacheScope".to_owned(), scope.into());
                }
                Ok(list)
            }
            "tools/call" => {
                let name = params.get("name").and_then(Value::as_str);
                let name =
                    name.ok_or_else(|| RpcError::new(400, -32602, "tools/call requires params.name"))?;
                let empty = Map::new();
                let arguments = match params.get("arguments") {
                    Some(Value::Object(arguments)) => arguments,
                    None => &empty,
                    Some(_) => return Err(RpcError::new(400, -32602, "arguments must be an object")),
                };
                match self.call_tool(caller, name, arguments).await {
                    Some(Err(_)) if self.has(Flaw::ToolErrorAs500) => {
                        Err(RpcError::new(500, -32603, "Internal error"))
                    }
                    Some(Ok(result) | Err(result)) => Ok(result),
                    None if self.has(Flaw::UnknownToolAsResult) => Ok(json!({ "content": [] })),
                    None => Err(RpcError::new(200, -32602, "unknown tool")),
                }
            }
            _ if self.has(Flaw::UnknownMethodAccepted) => Ok(json!({})),
            _ => {
                let status = if modern && !self.has(Flaw::UnknownMethodAs200) {
                    404
                } else {
                    200
                };
                Err(RpcError::new(status, -32601, method))
            }
        }
    }

    /// Builds the response for a JSON-RPC error.
    fn error_response(&self, id: &Value, error: RpcError) -> Response {
        let mut members = json!({ "code": error.code, "message": error.message });
        if let (Some(members), Some(data)) = (members.as_object_mut(), error.data) {
            members.insert("data".to_owned(), data);
        }
        let lost = self.has(Flaw::IdLost) || self.has(Flaw::IdLostInErrors);
        let id = if lost { &Value::Null } else { id };
        let body = json!({ "jsonrpc": "2.0", "id": id, "error": members });
        let mut response = json_response(error.status, &body);
        response.headers_mut().insert(
            header::CACHE_CONTROL,
            header::HeaderValue::from_static("no-store"),
        );
        response
    }
}

/// Joins all values of a header with commas.
fn header_text(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter();
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}
