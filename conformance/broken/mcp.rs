//! JSON-RPC by hand, in both eras of MCP: with `initialize` (2025-11-25 and before), and without (2026-07-28).

use base64::prelude::{BASE64_STANDARD, Engine as _};
use poem::{
    Response,
    http::{HeaderMap, StatusCode, header},
};
use rand::seq::SliceRandom as _;
use serde_json::{Map, Value, json};

use super::{caller::Caller, flaw::Flaw, jwt::unique_object, server::Server, tools};

const VERSIONS: [&str; 5] = [
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    "2026-07-28",
];
const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
const META: &str = "io.modelcontextprotocol/";

/// What values of headers begin with that are in base64.
const ENCODED: &str = "=?base64?";

/// An error of JSON-RPC, and the status it goes with.
struct Fault {
    status: u16,
    code: i32,
    message: String,
    data: Option<Value>,
}

impl Fault {
    fn new(status: u16, code: i32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            data: None,
        }
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

    /// Whether the message is of 2026-07-28, once headers and body agree.
    fn era(
        &self,
        headers: &HeaderMap,
        method: &str,
        params: &Map<String, Value>,
        request: bool,
    ) -> Result<bool, Fault> {
        let version = headers.get("mcp-protocol-version");
        let version = version.map(|version| version.to_str().unwrap_or("?"));
        if method == "initialize" {
            let asked = params.get("protocolVersion").and_then(Value::as_str);
            if version.is_some()
                && asked.is_some()
                && version != asked
                && !self.has(Flaw::HeaderMismatchAccepted)
            {
                let text = "MCP-Protocol-Version does not match params.protocolVersion";
                return Err(Fault::new(400, -32600, text));
            }
            return Ok(false);
        }
        let meta = params.get("_meta");
        let member = |name: &str| meta.and_then(|meta| meta.get(format!("{META}{name}")));
        let declared = member("protocolVersion").and_then(Value::as_str);
        if self.has(Flaw::OldEraOnly) {
            return Ok(false);
        }
        if version.is_none() && self.has(Flaw::VersionHeaderNeeded) {
            return Err(Fault::new(400, -32600, "MCP-Protocol-Version is missing"));
        }
        let any = self.has(Flaw::AnyVersion);
        if let Some(version) = version
            && declared.is_none()
            && !VERSIONS.contains(&version)
            && !any
        {
            return Err(self.unsupported(version));
        }
        let modern = version.is_some_and(|version| version >= MODERN) || declared.is_some();
        if version.is_some_and(|version| version >= MODERN) {
            self.check_standard_headers(headers, method, params)?;
        }
        if !request {
            return Ok(modern);
        }
        match declared {
            None if (modern || method == "server/discover") && !self.has(Flaw::MetaNotNeeded) => {
                let text = "The request's _meta lacks io.modelcontextprotocol/protocolVersion";
                return Err(Fault::new(400, -32602, text));
            }
            Some(_) if version.is_none() && self.has(Flaw::HeadersNotNeeded) => {}
            Some(declared) if version != Some(declared) && !self.has(Flaw::HeaderMismatchAccepted) => {
                let text = "MCP-Protocol-Version does not match the request's _meta";
                return Err(Fault::new(400, -32020, text));
            }
            Some(declared) if !VERSIONS.contains(&declared) && !any => {
                return Err(self.unsupported(declared));
            }
            Some(_)
                if !member("clientCapabilities").is_some_and(Value::is_object)
                    && !self.has(Flaw::MetaNotNeeded) =>
            {
                let text = "The request's _meta lacks io.modelcontextprotocol/clientCapabilities";
                return Err(Fault::new(400, -32602, text));
            }
            Some(_) | None => {}
        }
        Ok(modern || method == "server/discover")
    }

    /// `Mcp-Method` and `Mcp-Name` repeat the body, so that proxies need not read it.
    fn check_standard_headers(
        &self,
        headers: &HeaderMap,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<(), Fault> {
        let name = params.get("name").and_then(Value::as_str);
        let name = name.filter(|_| method == "tools/call");
        for (header, expected) in [("Mcp-Method", Some(method)), ("Mcp-Name", name)] {
            let Some(expected) = expected else { continue };
            let given: Vec<_> = headers.get_all(header).iter().collect();
            let given = match given.as_slice() {
                [] if self.has(Flaw::HeadersNotNeeded) => continue,
                [] => return Err(Fault::new(400, -32020, format!("{header} is missing"))),
                [one] => one.to_str().unwrap_or_default(),
                _ => return Err(Fault::new(400, -32020, format!("{header} is there twice"))),
            };
            if given.starts_with(ENCODED) && self.has(Flaw::EncodedNamesUnchecked) {
                continue;
            }
            let decoded = |given| {
                if self.has(Flaw::EncodedNamesUnknown) {
                    return Some(str::to_owned(given));
                }
                decoded(given)
            };
            if decoded(given).as_deref() != Some(expected) && !self.has(Flaw::HeaderMismatchAccepted) {
                return Err(Fault::new(
                    400,
                    -32020,
                    format!("{header} does not match the body"),
                ));
            }
        }
        Ok(())
    }

    fn unsupported(&self, version: &str) -> Fault {
        let data = json!({ "requested": version, "supported": VERSIONS });
        Fault {
            data: Some(data).filter(|_| !self.has(Flaw::NoSupportedList)),
            ..Fault::new(400, -32022, "Unsupported protocol version")
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

/// The value of a header of MCP, which may be in base64: `=?base64?…?=`.
fn decoded(value: &str) -> Option<String> {
    let Some(inner) = value
        .strip_prefix(ENCODED)
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(value.to_owned());
    };
    String::from_utf8(BASE64_STANDARD.decode(inner).ok()?).ok()
}
