//! JSON-RPC by hand, in both eras of MCP: with `initialize` (2025-11-25 and before), and without (2026-07-28).

use poem::{
    Response,
    http::{HeaderMap, StatusCode, header},
};
use rand::seq::SliceRandom as _;
use serde_json::{Map, Value, json};

use super::{caller::Caller, flaw::Flaw, jwt::unique_object, server::Server, tools};

pub(super) const VERSIONS: [&str; 5] = [
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    "2026-07-28",
];
const LEGACY: &str = "2025-11-25";
pub(super) const MODERN: &str = "2026-07-28";
pub(super) const META: &str = "io.modelcontextprotocol/";

/// An error of JSON-RPC, and the status it goes with.
pub(super) struct Fault {
    status: u16,
    code: i32,
    message: String,
    data: Option<Value>,
}

impl Fault {
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
    /// Answers one message.
    pub(crate) async fn mcp(&self, caller: &Caller, headers: &HeaderMap, body: &[u8]) -> Response {
        let message = match self.parse(body) {
            Ok(message) => message,
            Err(fault) => return self.failure(&Value::Null, fault),
        };
        if let Value::Array(batch) = message {
            let mut answers = Vec::new();
            for message in batch {
                let answer = self.one(caller, headers, &message).await;
                let text = answer.into_body().into_string().await.unwrap_or_default();
                answers.push(serde_json::from_str(&text).unwrap_or(Value::Null));
            }
            return respond(200, &Value::Array(answers));
        }
        self.one(caller, headers, &message).await
    }

    /// One JSON object; a batch only by a flaw.
    fn parse(&self, body: &[u8]) -> Result<Value, Fault> {
        let faulty = |code, message: &str| Fault::new(self.bad_body(), code, message);
        let message: Value =
            serde_json::from_slice(body).map_err(|_| faulty(-32700, "The body is not JSON"))?;
        if message.is_array() && !self.has(Flaw::BatchesProcessed) {
            let text = "Batches are not supported; send one message at a time";
            return Err(faulty(-32600, text));
        }
        let object = message.is_object() && self.has(Flaw::LastMethodCounts);
        if message.is_array() || object || unique_object(body).is_some() {
            return Ok(message);
        }
        Err(faulty(-32600, "The body is not a JSON-RPC message"))
    }

    /// The status of a body that is no message.
    fn bad_body(&self) -> u16 {
        match self.flaw {
            Some(Flaw::BadJsonAs200) => 200,
            Some(Flaw::BadBodyAs500) => 500,
            _ => 400,
        }
    }

    async fn one(&self, caller: &Caller, headers: &HeaderMap, message: &Value) -> Response {
        let accept = texts(headers, header::ACCEPT.as_str()).to_ascii_lowercase();
        let both = ["application/json", "text/event-stream"]
            .iter()
            .all(|kind| accept.contains(kind));
        if !both && !self.has(Flaw::AnyAccept) {
            let text = "The client must accept both application/json and text/event-stream";
            return self.failure(&Value::Null, Fault::new(406, -32600, text));
        }
        let kind = texts(headers, header::CONTENT_TYPE.as_str());
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") && !self.has(Flaw::AnyContentType) {
            let text = "Content-Type must be application/json";
            return self.failure(&Value::Null, Fault::new(415, -32600, text));
        }
        let id = message.get("id").cloned().unwrap_or(Value::Null);
        let method = message.get("method").and_then(Value::as_str);
        let right_id = matches!(id, Value::Null | Value::String(_) | Value::Number(_));
        let Some(method) = method.filter(|_| message.get("jsonrpc") == Some(&json!("2.0")) && right_id)
        else {
            let text = "The body is not a JSON-RPC request or notification";
            return self.failure(&Value::Null, Fault::new(self.bad_body(), -32600, text));
        };
        let nothing = Map::new();
        let params = match message.get("params") {
            Some(Value::Object(params)) => params,
            _ => &nothing,
        };
        let modern = match self.era(headers, method, params, message.get("id").is_some()) {
            Ok(modern) => modern,
            Err(fault) => return self.failure(&id, fault),
        };
        let begins = method == "initialize";
        if self.settings.sessions && !modern && !begins {
            let owner = self.owner_of_session(headers);
            let theirs =
                owner.is_some_and(|owner| owner.user == caller.user || self.has(Flaw::AnyonesSession));
            if !theirs {
                return self.failure(&id, Fault::new(404, -32600, "There is no such session"));
            }
        }
        if message.get("id").is_none() {
            if self.has(Flaw::NotificationsAnswered) {
                return respond(200, &json!({ "jsonrpc": "2.0", "id": null, "result": {} }));
            }
            return Response::builder().status(StatusCode::ACCEPTED).finish();
        }
        match self.result(caller, method, params, modern).await {
            Ok(mut result) => {
                if let (Some(members), true) = (result.as_object_mut(), self.has(Flaw::TokenInResults)) {
                    members.insert("_meta".to_owned(), json!({ "token": caller.token }));
                }
                let marked = modern && !self.has(Flaw::NoResultType);
                if let Some(members) = result.as_object_mut()
                    && marked
                {
                    members.insert("resultType".to_owned(), "complete".into());
                }
                let id = if self.has(Flaw::IdLost) { json!(0) } else { id };
                let mut response = respond(200, &json!({ "jsonrpc": "2.0", "id": id, "result": result }));
                if self.settings.sessions && begins {
                    let session = self.start_session(caller);
                    response.headers_mut().insert("mcp-session-id", session);
                }
                if self.has(Flaw::AnswersCacheable) {
                    let public = header::HeaderValue::from_static("public, max-age=60");
                    response.headers_mut().insert(header::CACHE_CONTROL, public);
                }
                response
            }
            Err(fault) => self.failure(&id, fault),
        }
    }

    async fn result(
        &self,
        caller: &Caller,
        method: &str,
        params: &Map<String, Value>,
        modern: bool,
    ) -> Result<Value, Fault> {
        let information = json!({ "name": "broken", "title": "Clerk MCP server", "version": "1.0.0" });
        let instructions = "Tells the signed-in user about their own Clerk account.";
        let greeted = self.remembered.lock().contains_key("greeted");
        if self.has(Flaw::HandshakeNeeded) && method != "initialize" && !greeted {
            return Err(Fault::new(200, -32002, "Not initialized"));
        }
        match method {
            "initialize" if !self.has(Flaw::NewEraOnly) => {
                if self.has(Flaw::HandshakeNeeded) {
                    let mut remembered = self.remembered.lock();
                    remembered.insert("greeted".to_owned(), Caller::default());
                }
                let asked = params.get("protocolVersion").and_then(Value::as_str);
                let asked =
                    asked.ok_or_else(|| Fault::new(200, -32602, "initialize needs a protocolVersion"))?;
                let known = VERSIONS.contains(&asked) && asked < MODERN && !self.has(Flaw::InitializeInsists)
                    || self.has(Flaw::InitializeEchoes);
                Ok(json!({
                    "protocolVersion": if known { asked } else { LEGACY },
                    "capabilities": { "tools": {} },
                    "serverInfo": information,
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
                    json!({ format!("{META}serverInfo"): information })
                },
            })),
            "ping" if !modern && !self.has(Flaw::PingUnknown) => Ok(json!({})),
            "tools/list" => {
                let mut tools = tools::descriptions(self.flaw);
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
                let name = name.ok_or_else(|| {
                    Fault::new(400, -32602, "A tools/call needs params with the tool's name")
                })?;
                let nothing = Map::new();
                let arguments = match params.get("arguments") {
                    Some(Value::Object(arguments)) => arguments,
                    _ => &nothing,
                };
                match self.call(caller, name, arguments).await {
                    Some(Err(_)) if self.has(Flaw::ToolErrorAs500) => {
                        Err(Fault::new(500, -32603, "Internal error"))
                    }
                    Some(Ok(result) | Err(result)) => Ok(result),
                    None if self.has(Flaw::UnknownToolAsResult) => Ok(json!({ "content": [] })),
                    None => Err(Fault::new(200, -32602, "tool not found")),
                }
            }
            _ if self.has(Flaw::UnknownMethodAccepted) => Ok(json!({})),
            _ => {
                let status = if modern && !self.has(Flaw::UnknownMethodAs200) {
                    404
                } else {
                    200
                };
                Err(Fault::new(status, -32601, method))
            }
        }
    }

    fn failure(&self, id: &Value, fault: Fault) -> Response {
        let mut error = json!({ "code": fault.code, "message": fault.message });
        if let (Some(members), Some(data)) = (error.as_object_mut(), fault.data) {
            members.insert("data".to_owned(), data);
        }
        let id = if self.has(Flaw::IdLost) { &Value::Null } else { id };
        let mut response = respond(
            fault.status,
            &json!({ "jsonrpc": "2.0", "id": id, "error": error }),
        );
        response.headers_mut().insert(
            header::CACHE_CONTROL,
            header::HeaderValue::from_static("no-store"),
        );
        response
    }
}

/// JSON with this status.
pub(crate) fn respond(status: u16, body: &Value) -> Response {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .content_type("application/json")
        .body(body.to_string())
}

/// All of a header's values in one text.
fn texts(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter();
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}
