//! CORS (Fetch standard, "CORS protocol").
//!
//! poem's own middleware is not used: it accepts a preflight if only one of its headers is allowed, cannot allow headers by
//! prefix (`Mcp-Param-*`), and lists headers in a random order.

use poem::{
    IntoResponse, Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};

use crate::origin::AllowedOrigins;

/// The rules for cross-origin requests.
#[derive(Debug, Clone)]
pub(crate) struct Cors {
    /// The allowed origins; `None` allows every origin.
    origins: Option<AllowedOrigins>,
    methods: &'static str,
}

impl Cors {
    /// Allows every origin to read data. HTML pages are not shared with other origins.
    pub(crate) fn open() -> Self {
        Self {
            origins: None,
            methods: "GET, HEAD",
        }
    }

    /// Allows only `origins` and rejects all others (MCP, "Streamable HTTP", security warning). Requests without an
    /// `Origin` header are accepted, because they do not come from a web page.
    pub(crate) fn restricted(origins: AllowedOrigins) -> Self {
        Self {
            origins: Some(origins),
            methods: "GET, POST, DELETE",
        }
    }

    /// Returns whether a request with these headers may be served. Browsers send one `Origin` header; if there
    /// are several, all of them must be allowed.
    pub(super) fn allows(&self, headers: &HeaderMap) -> bool {
        let Some(allowed) = &self.origins else {
            return true;
        };
        headers
            .get_all(header::ORIGIN)
            .iter()
            .all(|origin| origin.to_str().is_ok_and(|origin| allowed.allows(origin)))
    }

    /// Returns the response to a preflight, or `None` if `request` is not a preflight.
    pub(super) fn preflight(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        if request.method() != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let origin = headers.get(header::ORIGIN)?.clone();
        let requested = headers
            .get_all(header::ACCESS_CONTROL_REQUEST_HEADERS)
            .iter()
            .filter_map(|list| list.to_str().ok());
        let mut allowed: Vec<_> = requested
            .flat_map(|list| list.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| REQUEST_HEADERS.contains(&name.as_str()) || name.starts_with("mcp-"))
            .collect();
        allowed.sort_unstable();
        allowed.dedup();
        let mut response = StatusCode::NO_CONTENT
            .with_header(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)
            .with_header(header::ACCESS_CONTROL_ALLOW_METHODS, self.methods)
            .with_header(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS)
            .with_header(header::VARY, "Origin, Access-Control-Request-Headers")
            .into_response();
        if let Ok(allowed) = HeaderValue::try_from(allowed.join(", "))
            && !allowed.is_empty()
        {
            response
                .headers_mut()
                .insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
        Some(response)
    }

    /// Lets the `origin` of the request read the response, unless it is an HTML page.
    pub(super) fn add_headers(response: &mut Response, origin: Option<HeaderValue>) {
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let is_page = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if let Some(origin) = origin
            && !is_page
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(EXPOSED_HEADERS),
            );
        }
    }
}

/// Request headers that web pages may send, in addition to every `Mcp-*` header.
const REQUEST_HEADERS: [&str; 4] = ["authorization", "content-type", "last-event-id", "traceparent"];
const EXPOSED_HEADERS: &str = "MCP-Protocol-Version, Mcp-Session-Id, Retry-After, WWW-Authenticate";
/// Two hours: the maximum in Chromium.
const MAX_AGE_SECONDS: &str = "7200";
