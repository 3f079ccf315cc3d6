//! Cross-origin requests (Fetch standard, "CORS protocol"). poem's own middleware allows a preflight whose headers it
//! knows one of, can't allow headers by prefix (`Mcp-Param-*`), and sends them in an order that changes.

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    error::CorsError,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};

use crate::origin::AllowedOrigins;

/// Rules for pages of other origins.
#[derive(Debug, Clone)]
pub(crate) struct Cors {
    /// `None`: every origin.
    origins: Option<AllowedOrigins>,
    methods: &'static str,
}

impl Cors {
    /// Every origin may read data. Pages are for people: another site has no business in them.
    pub(crate) fn open() -> Self {
        Self {
            origins: None,
            methods: "GET, HEAD",
        }
    }

    /// Only pages of `origins` may call; others are refused (MCP, "Streamable HTTP", security warning). Requests without
    /// `Origin` don't come from a page.
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

    /// The answer to a preflight; it carries no token, so it comes before authentication.
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

/// The endpoint that [`Cors`] makes.
#[derive(Debug)]
pub(crate) struct CorsEndpoint<E> {
    cors: Cors,
    inner: E,
}

impl<E: Endpoint> Endpoint for CorsEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let headers = request.headers();
        // A browser sends one; of several, every one must be allowed.
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

/// What pages may send, beside every `Mcp-*` header.
const REQUEST_HEADERS: [&str; 4] = ["authorization", "content-type", "last-event-id", "traceparent"];
const EXPOSED_HEADERS: &str = "MCP-Protocol-Version, Mcp-Session-Id, Retry-After, WWW-Authenticate";
/// Two hours, the most that Chromium remembers.
const MAX_AGE_SECONDS: &str = "7200";
