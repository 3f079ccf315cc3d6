//! CORS (Fetch standard, "CORS protocol").
//!
//! poem's own middleware is not used: it accepts a preflight if only one of its headers is allowed, cannot
//! allow headers by prefix (`Mcp-Param-*`), and lists headers in a random order.

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    error::CorsError,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};

use crate::origin::AllowedOrigins;

/// Middleware for cross-origin requests.
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

    /// Allows only `origins` and rejects all others (MCP, "Streamable HTTP", security warning). Requests
    /// without an `Origin` header are accepted, because they do not come from a web page.
    pub(crate) fn restricted(origins: AllowedOrigins) -> Self {
        Self {
            origins: Some(origins),
            methods: "GET, POST, DELETE",
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        match &self.origins {
            None => true,
            Some(origins) => origin.to_str().is_ok_and(|origin| origins.allows(origin)),
        }
    }

    /// Returns the response to a preflight. Preflights carry no token, so they are answered before
    /// authentication.
    fn preflight(&self, origin: HeaderValue, request: &HeaderMap) -> Response {
        let requested = request
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
        response
    }
}

impl<E: Endpoint> Middleware<E> for Cors {
    type Output = CorsEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        CorsEndpoint {
            cors: self.clone(),
            inner,
        }
    }
}

/// The endpoint that [`Cors`] wraps around another.
#[derive(Debug)]
pub(crate) struct CorsEndpoint<E> {
    cors: Cors,
    inner: E,
}

impl<E: Endpoint> Endpoint for CorsEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let headers = request.headers();
        // Browsers send one Origin header. If there are several, all of them must be allowed.
        if !headers
            .get_all(header::ORIGIN)
            .iter()
            .all(|origin| self.cors.allows(origin))
        {
            return Err(CorsError::OriginNotAllowed.into());
        }
        let origin = headers.get(header::ORIGIN).cloned();
        if let Some(origin) = &origin
            && request.method() == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return Ok(self.cors.preflight(origin.clone(), headers));
        }
        let mut response = self.inner.call(request).await?.into_response();
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
        Ok(response)
    }
}

/// Request headers that web pages may send, in addition to every `Mcp-*` header.
const REQUEST_HEADERS: [&str; 4] = ["authorization", "content-type", "last-event-id", "traceparent"];
const EXPOSED_HEADERS: &str = "MCP-Protocol-Version, Mcp-Session-Id, Retry-After, WWW-Authenticate";
/// Two hours: the maximum in Chromium.
const MAX_AGE_SECONDS: &str = "7200";
