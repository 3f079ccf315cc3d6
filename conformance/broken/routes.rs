//! Routes requests by path, and authenticates requests to the endpoint.

use std::time::Duration;

use poem::{
    Body, Request, Response,
    error::ReadBodyError,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{caller::Caller, flaw::Flaw, refusal::Refusal, response::json_response, server::Server};

/// The message that the flaw `MethodOverridden` handles instead of the request's own.
const INITIALIZE: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;

/// How long the flaws `CallerInGlobal` and `RoleOfLastCaller` take between authentication and the call.
const PREPARATION: Duration = Duration::from_millis(5);

/// The methods that a client calls before it calls tools.
const HANDSHAKE: [&str; 4] = [
    "initialize",
    "server/discover",
    "tools/list",
    "notifications/initialized",
];

/// The route of a path.
pub(crate) enum Route {
    Mcp,
    /// A path below the endpoint. None exists.
    BelowMcp,
    /// Resource metadata, with the suffix of the resource: empty or `/mcp`.
    Resource(&'static str),
    /// A metadata document of Clerk, with its well-known name.
    Mirror(&'static str),
    Healthz,
    Readyz,
    /// Only a flaw serves it.
    Metrics,
    StartPage,
    Docs,
    /// The OpenAPI document, with its media type.
    OpenApi(&'static str),
    Unknown,
}

impl Server {
    /// Returns the route of a path. Paths are compared exactly, without decoding or normalization.
    pub(crate) fn route(&self, path: &str) -> Route {
        let base_path = self.base_path();
        let path = if self.has(Flaw::PathTextCompared) {
            normalize(path)
        } else {
            path.to_owned()
        };
        let inner = path.strip_prefix(base_path.as_str()).unwrap_or(&path);
        for candidate in [path.as_str(), inner] {
            match candidate {
                "/mcp" | "/mcp/" => return Route::Mcp,
                _ if candidate.starts_with("/mcp/") => return Route::BelowMcp,
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
        if self.has(Flaw::PathOfBaseIgnored) && !base_path.is_empty() {
            return well_known_route(inner, "");
        }
        let found = well_known_route(&path, &base_path);
        let removed_by_flaw = matches!(found, Route::Resource("")) && self.has(Flaw::NoRootMetadata)
            || matches!(found, Route::Resource("/mcp")) && self.has(Flaw::NoPathMetadata)
            || matches!(found, Route::Mirror(_)) && self.has(Flaw::NoAuthorizationServerMetadata);
        if !matches!(found, Route::Unknown) && !removed_by_flaw {
            return found;
        }
        if self.has(Flaw::UnknownPathAs200) {
            return Route::StartPage;
        }
        if self.has(Flaw::AnyPathIsAResource) && path.starts_with("/.well-known/oauth-protected-resource/") {
            return Route::Resource("/not-a-resource");
        }
        Route::Unknown
    }

    /// Handles a request at or below the endpoint. The token is checked first.
    pub(crate) async fn protected(&self, route: Route, request: Request) -> Response {
        match self.flaw {
            Some(Flaw::RefusesAll) => return self.reject(&Refusal::Invalid("all"), request.headers()),
            Some(Flaw::ForbidsAll) => return self.json_error(403, "forbidden", "Access denied"),
            Some(Flaw::FailsAll) => return self.reject(&Refusal::Unavailable(5), request.headers()),
            Some(Flaw::TakesAll) => return Response::builder().status(StatusCode::ACCEPTED).finish(),
            _ => {}
        }
        let peer = request.remote_addr().to_string();
        let (mut parts, body) = request.into_parts();
        let overridden = ["x-http-method-override", "x-method-override"]
            .iter()
            .any(|name| parts.headers.contains_key(*name));
        if self.has(Flaw::MethodOverridden) && overridden {
            // The flaw assumes that the original method was authenticated elsewhere.
            return self
                .handle_mcp(&Caller::default(), &parts.headers, INITIALIZE.as_bytes())
                .await;
        }
        if self.has(Flaw::RewritesBelieved) {
            parts.headers.remove("x-original-url");
        }
        if self.has(Flaw::ConnectionRemembersCaller) && !parts.headers.contains_key(header::AUTHORIZATION) {
            let remembered = self.stored_callers.lock().get(&peer).cloned();
            parts
                .headers
                .extend(remembered.and_then(|caller| bearer_header(&caller.token)));
        }
        let (method, headers) = (&parts.method, &parts.headers);
        if self.has(Flaw::GetUnprotected) && matches!(*method, Method::GET | Method::DELETE) {
            return Response::builder()
                .content_type("text/event-stream")
                .body(": hello\n\n");
        }
        if self.has(Flaw::HeadUnprotected) && matches!(*method, Method::HEAD | Method::OPTIONS | Method::PUT)
        {
            return Response::builder().content_type("application/json").finish();
        }
        let forwarded = headers
            .get("x-forwarded-for")
            .and_then(|value| value.to_str().ok());
        let forwarded = forwarded.is_some_and(|value| value.starts_with("127.") || value.starts_with("::1"));
        let unprotected = self.has(Flaw::ForwardedLoopbackTrusted) && forwarded
            || self.has(Flaw::SubpathsUnprotected) && matches!(route, Route::BelowMcp)
            // The literal path decides, not the route.
            || self.has(Flaw::PathTextCompared) && parts.uri.path() != "/mcp"
            || self.has(Flaw::UrlTargetsUnprotected) && parts.uri.authority().is_some()
            || self.has(Flaw::RewritesBelieved) && !parts.uri.path().ends_with("/mcp");
        let reading_early = [
            Flaw::TokenInBody,
            Flaw::BodyBeforeToken,
            Flaw::HandshakeUnprotected,
            Flaw::ToolsUnprotected,
            Flaw::ScopesAtInitializeOnly,
            Flaw::NotificationsUnprotected,
        ];
        let mut body = Some(body);
        let mut text = None;
        let has_public_tool = self.settings.public_tool.is_some();
        if has_public_tool || reading_early.into_iter().any(|flaw| self.has(flaw)) {
            text = match self
                .read_request_body(body.take().unwrap_or_else(Body::empty), headers)
                .await
            {
                Ok(text) => Some(text),
                Err(response) => return response,
            };
        }
        let method_name = text.as_deref().map(method_of).unwrap_or_default();
        let handshake = HANDSHAKE.contains(&method_name.as_str());
        if self.has(Flaw::BodyBeforeToken)
            && !handshake
            && method_name != "tools/call"
            && method_name != "ping"
        {
            return json_response(400, &json!({ "error": { "code": -32601 } }));
        }
        let unprotected = unprotected
            || self.has(Flaw::NotificationsUnprotected) && method_name.starts_with("notifications/")
            || self.has(Flaw::HandshakeUnprotected) && handshake
            || self.has(Flaw::ToolsUnprotected) && method_name == "tools/call";
        let is_public = *method == Method::POST
            && matches!(route, Route::Mcp)
            && text.as_deref().is_some_and(|body| self.is_public(headers, body));
        let mut caller = match self.authenticate(headers, &parts.uri, text.as_deref()).await {
            Ok(caller) => caller,
            Err(refusal)
                if is_public
                    && (!headers.contains_key(header::AUTHORIZATION) && refusal == Refusal::Missing
                        || self.has(Flaw::BadTokenAnonymous)) =>
            {
                Caller::default()
            }
            Err(_) if unprotected => Caller::default(),
            Err(refusal) => return self.reject(&refusal, headers),
        };
        if self.has(Flaw::ConnectionRemembersCaller) {
            self.stored_callers.lock().insert(peer, caller.clone());
        } else if self.has(Flaw::CallerPerConnection)
            || self.has(Flaw::CallerPerHttp2Connection) && parts.version == Version::HTTP_2
        {
            let mut stored = self.stored_callers.lock();
            caller = stored.entry(peer).or_insert(caller).clone();
        }
        if matches!(route, Route::BelowMcp) && !self.has(Flaw::SubpathsUnprotected) {
            return self.not_found();
        }
        if *method != Method::POST {
            if self.has(Flaw::GetAnswered) && *method == Method::GET {
                return Response::builder()
                    .content_type("text/event-stream")
                    .body(": hello\n\n");
            }
            return self.method_not_allowed("POST");
        }
        let text = match (text, body) {
            (Some(text), _) => text,
            (None, body) => match self
                .read_request_body(body.unwrap_or_else(Body::empty), headers)
                .await
            {
                Ok(text) => text,
                Err(response) => return response,
            },
        };
        let mut checked = caller.clone();
        if self.has(Flaw::CallerInGlobal) || self.has(Flaw::RoleOfLastCaller) {
            let key = "current";
            self.stored_callers.lock().insert(key.to_owned(), caller.clone());
            sleep(PREPARATION).await;
            checked = self.stored_callers.lock().get(key).cloned().unwrap_or(checked);
        }
        if self.has(Flaw::CallerInGlobal) {
            caller.clone_from(&checked);
        }
        if let Err(refusal) = self.check_role(&checked, &text).await {
            return self.reject(&refusal, headers);
        }
        self.handle_mcp(&caller, headers, &text).await
    }

    /// Reads the body, up to `MAX_BODY`.
    async fn read_request_body(&self, body: Body, headers: &HeaderMap) -> Result<Vec<u8>, Response> {
        if self.has(Flaw::ChunksRefused) && !headers.contains_key(header::CONTENT_LENGTH) {
            return Err(self.json_error(400, "invalid_request", "The body is empty"));
        }
        let limit = if self.has(Flaw::NoBodyLimit) {
            usize::MAX
        } else {
            self.settings.max_body
        };
        let declared = headers.get(header::CONTENT_LENGTH);
        let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let too_large = declared.is_some_and(|length| length > self.settings.max_body)
            && !self.has(Flaw::DeclaredSizeIgnored);
        let read = if too_large {
            Err(ReadBodyError::PayloadTooLarge)
        } else {
            body.into_bytes_limit(limit).await
        };
        match read {
            Ok(body) => Ok(body.to_vec()),
            Err(ReadBodyError::PayloadTooLarge) => {
                let message = format!("The message is larger than {limit} bytes");
                let error = json!({ "code": -32600, "message": message });
                Err(json_response(
                    413,
                    &json!({ "jsonrpc": "2.0", "id": null, "error": error }),
                ))
            }
            Err(_) => Err(self.json_error(400, "invalid_request", "The request body could not be read")),
        }
    }

    /// Handles a request to a public route.
    pub(crate) async fn public(&self, route: &Route, request: Request) -> Response {
        let headers = request.headers();
        if matches!(route, Route::Unknown) {
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
            return self.method_not_allowed("GET, HEAD, OPTIONS");
        }
        let protected_by_flaw = matches!(route, Route::Resource(_) | Route::Mirror(_))
            && self.has(Flaw::WellKnownProtected)
            || matches!(route, Route::Healthz) && self.has(Flaw::HealthProtected);
        if protected_by_flaw && let Err(refusal) = self.authenticate(headers, request.uri(), None).await {
            return self.reject(&refusal, headers);
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
            Route::Mcp | Route::BelowMcp | Route::Unknown => self.not_found(),
        }
    }
}

/// Returns an `Authorization` header with this token.
fn bearer_header(token: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((
        header::AUTHORIZATION,
        HeaderValue::try_from(format!("Bearer {token}")).ok()?,
    ))
}

/// Returns the method of a message.
fn method_of(message: &[u8]) -> String {
    let message: Value = serde_json::from_slice(message).unwrap_or_default();
    let method = message.get("method").and_then(Value::as_str);
    method.unwrap_or_default().to_owned()
}

/// Returns the route of a document whose well-known segment is between host and path.
fn well_known_route(path: &str, base_path: &str) -> Route {
    let of = |document: &str| {
        let rest = path.strip_prefix("/.well-known/")?.strip_prefix(document)?;
        match rest {
            "" | "/mcp" if rest.is_empty() || base_path.is_empty() => {
                Some(if rest.is_empty() { "" } else { "/mcp" })
            }
            _ => match rest.strip_prefix(base_path)? {
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
        None => Route::Unknown,
    }
}

/// Normalizes a path as a lenient router does.
fn normalize(path: &str) -> String {
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
