//! Handles requests before routing: Host and Origin checks, preflights, CORS and common headers.

use std::fmt::Write as _;

use poem::{
    Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header},
};
use serde_json::json;
use url::Url;

use super::{flaw::Flaw, response::json_response, routes::Route, server::Server, values::is_loopback};

impl Server {
    /// Handles a request and adds the headers that every response has.
    pub(crate) async fn handle(&self, request: Request) -> Response {
        drop(self.gate.lock().await);
        let mut response = self.route_request(request).await;
        let headers = response.headers_mut();
        if !self.has(Flaw::SniffingAllowed) {
            headers.insert(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            );
        }
        if !self.has(Flaw::NoRequestId)
            && let Ok(id) = HeaderValue::try_from(request_id())
        {
            headers.insert("x-request-id", id);
        }
        response
    }

    /// Checks Host and Origin, answers preflights and calls the route.
    async fn route_request(&self, request: Request) -> Response {
        let (path, headers) = (request.original_uri().path(), request.headers());
        let rewritten = headers
            .get("x-original-url")
            .or_else(|| headers.get("x-rewrite-url"));
        let rewritten = rewritten.and_then(|path| path.to_str().ok());
        let rewritten = rewritten.filter(|_| self.has(Flaw::RewritesBelieved));
        let health_check = matches!(path, "/healthz" | "/readyz");
        if !health_check
            && !headers.contains_key(header::HOST)
            // HTTP/2 has the host in the request target instead (RFC 9113 §8.3.1).
            && request.version() != Version::HTTP_2
            && !self.has(Flaw::NoHostForbidden)
            && !self.has(Flaw::HostIgnored)
        {
            return self.json_error(400, "invalid_request", "Host is missing");
        }
        if !health_check && !self.is_allowed_host(headers, request.original_uri()) {
            return self.json_error(403, "forbidden", "Host not allowed");
        }
        if *request.method() == Method::TRACE && self.has(Flaw::TraceEchoes) {
            let echo = format!("TRACE {path}\r\n{headers:?}");
            return Response::builder().content_type("message/http").body(echo);
        }
        let route = self.route(rewritten.unwrap_or(path));
        let protected = matches!(route, Route::Mcp | Route::BelowMcp);
        let origins: Vec<HeaderValue> = headers.get_all(header::ORIGIN).iter().cloned().collect();
        let checked = match self.flaw {
            Some(Flaw::FirstOriginCounts) => 1,
            _ => origins.len(),
        };
        if protected
            && (!origins
                .iter()
                .take(checked)
                .all(|origin| self.is_allowed_origin(origin))
                || origins.is_empty() && self.has(Flaw::OriginNeeded)
                || !origins.is_empty() && self.has(Flaw::OriginRefused))
        {
            return self.json_error(403, "forbidden", "Origin not allowed");
        }
        let preflight = request.method() == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && !self.has(Flaw::PreflightNeedsToken);
        let origin = origins.into_iter().next();
        if let Some(origin) = &origin
            && preflight
            && !self.has(Flaw::NoCors)
        {
            return self.preflight(origin, protected, headers);
        }
        let mut response = if protected {
            self.protected(route, request).await
        } else {
            self.public(&route, request).await
        };
        self.add_cors_headers(&mut response, origin);
        response
    }

    /// Adds the CORS headers of a response that is not a preflight.
    fn add_cors_headers(&self, response: &mut Response, origin: Option<HeaderValue>) {
        let refused = !response.status().is_success() && self.has(Flaw::RefusalsWithoutCors);
        let headers = response.headers_mut();
        if !self.has(Flaw::NoVary) {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let page = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let Some(origin) = origin else { return };
        if (page && !self.has(Flaw::PagesForEveryone)) || refused || self.has(Flaw::NoCors) {
            return;
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.has(Flaw::CredentialsAllowed) {
            let allowed = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, allowed);
        }
        if !self.has(Flaw::NothingExposed) {
            let exposed = "MCP-Protocol-Version, Mcp-Session-Id, Retry-After, WWW-Authenticate";
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(exposed),
            );
        }
    }

    /// Answers a preflight request.
    fn preflight(&self, origin: &HeaderValue, protected: bool, headers: &HeaderMap) -> Response {
        let known = ["authorization", "content-type", "last-event-id", "traceparent"];
        let requested = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
        let requested: Vec<String> = requested
            .filter_map(|list| list.to_str().ok())
            .flat_map(|list| list.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| known.contains(&name.as_str()) || name.starts_with("mcp-"))
            .filter(|name| {
                let for_mcp = name.starts_with("mcp-") || name == "traceparent";
                !(for_mcp && self.has(Flaw::PreflightIncomplete))
            })
            .collect();
        let methods = if protected {
            "GET, POST, DELETE"
        } else {
            "GET, HEAD"
        };
        let mut response = Response::builder()
            .status(StatusCode::NO_CONTENT)
            .header(header::ACCESS_CONTROL_ALLOW_METHODS, methods)
            .header(header::ACCESS_CONTROL_MAX_AGE, "7200")
            .header(header::VARY, "Origin, Access-Control-Request-Headers")
            .finish();
        let response_headers = response.headers_mut();
        response_headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.has(Flaw::CredentialsAllowed) {
            let allowed = HeaderValue::from_static("true");
            response_headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, allowed);
        }
        if let (Ok(allowed), false) = (HeaderValue::try_from(requested.join(", ")), requested.is_empty()) {
            response_headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
        response
    }

    /// Answers an unknown path.
    pub(crate) fn not_found(&self) -> Response {
        if self.has(Flaw::NotFoundAsPage) {
            return Response::builder()
                .status(StatusCode::NOT_FOUND)
                .content_type("text/html; charset=utf-8")
                .body("<h1>Not Found</h1>");
        }
        self.json_error(404, "not_found", "Unknown path; /docs lists all paths")
    }

    /// Answers a method that the route does not support.
    pub(crate) fn method_not_allowed(&self, allow: &'static str) -> Response {
        if self.has(Flaw::WrongMethodAs404) {
            return self.not_found();
        }
        let mut response = self.json_error(
            405,
            "method_not_allowed",
            "This path supports other methods; see the Allow header",
        );
        if !self.has(Flaw::NoAllow) {
            let allow = HeaderValue::from_static(allow);
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    }

    /// Builds a JSON error response without a challenge.
    pub(crate) fn json_error(&self, status: u16, error: &str, description: &str) -> Response {
        let mut body = json!({ "error": error, "error_description": description });
        if self.has(Flaw::OtherTexts) {
            body = json!({ "message": "Nope" });
        }
        if self.has(Flaw::StackShown) {
            body = json!({ "error": error, "stack": "panicked at /app/src/edge.rs:12:5" });
        }
        let mut response = json_response(status, &body);
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, no_store);
        response
    }

    /// Returns whether the request names the host of `BASE_URL`, or a loopback host if the server runs on
    /// loopback. This prevents DNS rebinding.
    fn is_allowed_host(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        if self.has(Flaw::HostIgnored)
            || self.has(Flaw::ResourceOfHost)
            || self.has(Flaw::ResourceMetadataOfHost)
        {
            return true;
        }
        let hosts: Vec<&HeaderValue> = headers.get_all(header::HOST).iter().collect();
        // RFC 9112 §3.2.2: the host of an absolute request target overrides `Host`.
        let target = uri.authority().filter(|_| !self.has(Flaw::TargetHostIgnored));
        let host = match (hosts.as_slice(), target) {
            ([_] | [], Some(authority)) => authority.as_str(),
            ([host], None) => host.to_str().unwrap_or_default(),
            _ => return false,
        };
        let base = &self.settings.base;
        if self.has(Flaw::HostPrefix) {
            return host.starts_with(base.host_str().unwrap_or_default()) || host.starts_with("localhost");
        }
        let bare = !host.is_empty() && !host.contains(['/', '?', '#', '@', '\\']);
        let Some(url) = Url::parse(&format!("{}://{host}/", base.scheme()))
            .ok()
            .filter(|_| bare)
        else {
            return false;
        };
        let ours = url.host() == base.host() && url.port_or_known_default() == base.port_or_known_default();
        let local = self.settings.host.is_loopback() || is_loopback(base);
        ours || local && is_loopback(&url)
    }

    /// Returns whether the origin is configured, or by default is the server's own or, on loopback, a
    /// loopback origin.
    fn is_allowed_origin(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let allowed = match &self.settings.origins {
            Some(origins) => origins.clone(),
            None => vec![self.settings.base.origin().ascii_serialization()],
        };
        match self.flaw {
            Some(Flaw::OriginIgnored | Flaw::CredentialsAllowed) => return true,
            Some(Flaw::NullOriginAllowed) if origin == "null" => return true,
            Some(Flaw::OriginSuffix) => {
                return allowed.iter().any(|one| {
                    let host = one.split_once("://").map_or("", |(_, host)| host);
                    origin.starts_with(one.as_str()) || origin.ends_with(host)
                });
            }
            _ => {}
        }
        let local = self.settings.origins.is_none() && is_loopback(&self.settings.base);
        allowed.iter().any(|one| one == origin)
            || local
                && Url::parse(origin)
                    .is_ok_and(|url| is_loopback(&url) && url.origin().ascii_serialization() == origin)
    }

    /// Returns the origin that the request claims to address. The client controls it.
    pub(crate) fn origin_of_request(&self, headers: &HeaderMap) -> String {
        let host = headers
            .get("x-forwarded-host")
            .or_else(|| headers.get(header::HOST));
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        format!("{}://{host}", self.settings.base.scheme())
    }
}

/// Returns a random UUID (RFC 9562 §5.4).
fn request_id() -> String {
    let random: [u8; 16] = rand::random();
    let mut id = String::with_capacity(36);
    for (index, byte) in random.into_iter().enumerate() {
        let byte = match index {
            6 => byte & 0x0f | 0x40,
            8 => byte & 0x3f | 0x80,
            _ => byte,
        };
        if matches!(index, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}
