//! Where a path leads, and what comes before the answer there.

use poem::{
    Body, Request, Response,
    error::ReadBodyError,
    http::{HeaderMap, Method, StatusCode, header},
};
use serde_json::{Value, json};

use super::{caller::Caller, flaw::Flaw, mcp::respond, refusal::Refusal, server::Server};

/// What a flaw answers whatever was asked.
const INITIALIZE: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;

/// The messages that come before tools are called.
const HANDSHAKE: [&str; 4] = [
    "initialize",
    "server/discover",
    "tools/list",
    "notifications/initialized",
];

/// What a path leads to.
pub(crate) enum Route {
    Mcp,
    /// Below the endpoint, where nothing is.
    BelowMcp,
    Resource(&'static str),
    Mirror(&'static str),
    Healthz,
    Readyz,
    /// Only by a flaw.
    Metrics,
    StartPage,
    Docs,
    OpenApi(&'static str),
    Nothing,
}

impl Server {
    /// Exact paths. Nothing is decoded or tidied up: what looks like another path is another path.
    pub(crate) fn route(&self, path: &str) -> Route {
        let prefix = self.prefix();
        let tidy = if self.has(Flaw::PathTextCompared) {
            tidied(path)
        } else {
            path.to_owned()
        };
        let inner = tidy.strip_prefix(prefix.as_str()).unwrap_or(&tidy);
        for path in [tidy.as_str(), inner] {
            match path {
                "/mcp" | "/mcp/" => return Route::Mcp,
                _ if path.starts_with("/mcp/") => return Route::BelowMcp,
                "/" | "" => return Route::StartPage,
                "/docs" => return Route::Docs,
                "/openapi.json" => return Route::OpenApi("application/json"),
                "/openapi.yaml" => return Route::OpenApi("application/yaml"),
                "/healthz" => return Route::Healthz,
                "/readyz" => return Route::Readyz,
                "/metrics" if self.has(Flaw::MetricsForEveryone) => return Route::Metrics,
                "/.well-known/openid-configuration" => return Route::Mirror("openid-configuration"),
                _ => {}
            }
        }
        if self.has(Flaw::PathOfBaseIgnored) && !prefix.is_empty() {
            return well_known(inner, "");
        }
        let found = well_known(&tidy, &prefix);
        let left_out = matches!(found, Route::Resource("")) && self.has(Flaw::NoRootMetadata)
            || matches!(found, Route::Resource("/mcp")) && self.has(Flaw::NoPathMetadata)
            || matches!(found, Route::Mirror(_)) && self.has(Flaw::NoAuthorizationServerMetadata);
        if !matches!(found, Route::Nothing) && !left_out {
            return found;
        }
        if self.has(Flaw::UnknownPathAs200) {
            return Route::StartPage;
        }
        if self.has(Flaw::AnyPathIsAResource) && tidy.starts_with("/.well-known/oauth-protected-resource/") {
            return Route::Resource("/not-a-resource");
        }
        Route::Nothing
    }

    /// Everything at and below the endpoint: first the token, then all else.
    pub(crate) async fn protected(&self, route: Route, request: Request) -> Response {
        match self.flaw {
            Some(Flaw::RefusesAll) => return self.refuse(&Refusal::Invalid("all"), request.headers()),
            Some(Flaw::ForbidsAll) => return self.edge_refusal(403, "forbidden", "Nobody may"),
            Some(Flaw::FailsAll) => return self.refuse(&Refusal::Unavailable(5), request.headers()),
            Some(Flaw::TakesAll) => return Response::builder().status(StatusCode::ACCEPTED).finish(),
            _ => {}
        }
        let (mut parts, body) = request.into_parts();
        let overridden = ["x-http-method-override", "x-method-override"]
            .iter()
            .any(|name| parts.headers.contains_key(*name));
        if self.has(Flaw::MethodOverridden) && overridden {
            // The one that is overridden was checked elsewhere.
            return self
                .mcp(&Caller::default(), &parts.headers, INITIALIZE.as_bytes())
                .await;
        }
        if self.has(Flaw::RewritesBelieved) {
            parts.headers.remove("x-original-url");
        }
        let (method, headers) = (&parts.method, &parts.headers);
        if self.has(Flaw::GetUnprotected) && matches!(*method, Method::GET | Method::DELETE) {
            return Response::builder()
                .content_type("text/event-stream")
                .body(": hello\n\n");
        }
        let open = self.has(Flaw::SubpathsUnprotected) && matches!(route, Route::BelowMcp)
            // The text of the path decides, and not where it led.
            || self.has(Flaw::PathTextCompared) && parts.uri.path() != "/mcp"
            || self.has(Flaw::UrlTargetsUnprotected) && parts.uri.authority().is_some()
            || self.has(Flaw::RewritesBelieved) && !parts.uri.path().ends_with("/mcp");
        let early = [
            Flaw::TokenInBody,
            Flaw::BodyBeforeToken,
            Flaw::HandshakeUnprotected,
            Flaw::ToolsUnprotected,
            Flaw::ScopesAtInitializeOnly,
        ];
        let mut body = Some(body);
        let mut text = None;
        if early.into_iter().any(|flaw| self.has(flaw)) {
            text = match self.read(body.take().unwrap_or_else(Body::empty), headers).await {
                Ok(text) => Some(text),
                Err(response) => return response,
            };
        }
        let called = text.as_deref().map(called).unwrap_or_default();
        let handshake = HANDSHAKE.contains(&called.as_str());
        if self.has(Flaw::BodyBeforeToken) && !handshake && called != "tools/call" && called != "ping" {
            return respond(400, &json!({ "error": { "code": -32601 } }));
        }
        let open = open
            || self.has(Flaw::HandshakeUnprotected) && handshake
            || self.has(Flaw::ToolsUnprotected) && called == "tools/call";
        let caller = match self.authenticate(headers, &parts.uri, text.as_deref()).await {
            Ok(caller) => caller,
            Err(_) if open => Caller::default(),
            Err(refusal) => return self.refuse(&refusal, headers),
        };
        if matches!(route, Route::BelowMcp) && !self.has(Flaw::SubpathsUnprotected) {
            return self.not_found();
        }
        if *method != Method::POST {
            if self.has(Flaw::GetAnswered) && *method == Method::GET {
                return Response::builder()
                    .content_type("text/event-stream")
                    .body(": hello\n\n");
            }
            return self.wrong_method("POST");
        }
        let text = match (text, body) {
            (Some(text), _) => text,
            (None, body) => match self.read(body.unwrap_or_else(Body::empty), headers).await {
                Ok(text) => text,
                Err(response) => return response,
            },
        };
        self.mcp(&caller, headers, &text).await
    }

    /// The body, if it is not too large.
    async fn read(&self, body: Body, headers: &HeaderMap) -> Result<Vec<u8>, Response> {
        if self.has(Flaw::ChunksRefused) && !headers.contains_key(header::CONTENT_LENGTH) {
            return Err(self.edge_refusal(411, "length_required", "Say how long the body is"));
        }
        let limit = if self.has(Flaw::NoBodyLimit) {
            usize::MAX
        } else {
            self.settings.max_body
        };
        match body.into_bytes_limit(limit).await {
            Ok(body) => Ok(body.to_vec()),
            Err(ReadBodyError::PayloadTooLarge) => {
                let message = format!("The message is larger than {limit} bytes");
                let error = json!({ "code": -32600, "message": message });
                Err(respond(
                    413,
                    &json!({ "jsonrpc": "2.0", "id": null, "error": error }),
                ))
            }
            Err(_) => Err(self.edge_refusal(400, "invalid_request", "The request could not be understood")),
        }
    }

    pub(crate) async fn public(&self, route: &Route, request: Request) -> Response {
        let headers = request.headers();
        if matches!(route, Route::Nothing) {
            return self.not_found();
        }
        if request.method() == Method::OPTIONS {
            return Response::builder()
                .status(StatusCode::NO_CONTENT)
                .header(header::ALLOW, "GET, HEAD, OPTIONS")
                .finish();
        }
        let head = *request.method() == Method::HEAD && !self.has(Flaw::HeadUnknown);
        if *request.method() != Method::GET && !head {
            return self.wrong_method("GET, HEAD, OPTIONS");
        }
        let closed = matches!(route, Route::Resource(_) | Route::Mirror(_))
            && self.has(Flaw::WellKnownProtected)
            || matches!(route, Route::Healthz) && self.has(Flaw::HealthProtected);
        if closed && let Err(refusal) = self.authenticate(headers, request.uri(), None).await {
            return self.refuse(&refusal, headers);
        }
        match route {
            Route::Resource(suffix) => self.resource_metadata(suffix, headers),
            Route::Mirror(document) => self.mirror(document).await,
            Route::Healthz => self.healthz().await,
            Route::Readyz => self.readyz().await,
            Route::Metrics => Response::builder()
                .content_type("text/plain; version=0.0.4")
                .body("# TYPE http_requests_total counter\nhttp_requests_total 42\n"),
            Route::StartPage => self.start_page(headers),
            Route::Docs => self.docs(),
            Route::OpenApi(content_type) => self.openapi(content_type),
            Route::Mcp | Route::BelowMcp | Route::Nothing => self.not_found(),
        }
    }
}

/// The method of a message.
fn called(message: &[u8]) -> String {
    let message: Value = serde_json::from_slice(message).unwrap_or_default();
    let method = message.get("method").and_then(Value::as_str);
    method.unwrap_or_default().to_owned()
}

/// The documents that have the well-known segment between host and path.
fn well_known(path: &str, prefix: &str) -> Route {
    let of = |document: &str| {
        let rest = path.strip_prefix("/.well-known/")?.strip_prefix(document)?;
        match rest {
            "" | "/mcp" if rest.is_empty() || prefix.is_empty() => {
                Some(if rest.is_empty() { "" } else { "/mcp" })
            }
            _ => match rest.strip_prefix(prefix)? {
                "" => Some(""),
                "/mcp" => Some("/mcp"),
                _ => None,
            },
        }
    };
    if let Some(suffix) = of("oauth-protected-resource") {
        return Route::Resource(suffix);
    }
    match of("oauth-authorization-server") {
        Some(_) => Route::Mirror("oauth-authorization-server"),
        None => Route::Nothing,
    }
}

/// The path as a lenient router reads it.
fn tidied(path: &str) -> String {
    let path = path
        .replace("%6d", "m")
        .replace("%6D", "m")
        .replace("%2f", "/")
        .replace("%2F", "/");
    let path = path.split(';').next().unwrap_or_default().to_ascii_lowercase();
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}
