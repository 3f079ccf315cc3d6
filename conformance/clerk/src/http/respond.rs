//! Building responses.

use poem::{
    Response,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
};
use serde_json::Value;

/// The content type of JSON responses. Clerk's SDK parses a body as JSON only with exactly this value,
/// without a charset.
pub(crate) const JSON: &str = "application/json";

/// The header that correlates a response with Clerk's logs.
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("x-clerk-trace-id");

pub(crate) fn json(status: StatusCode, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, JSON)
        .body(body.to_string())
}

pub(crate) fn html(status: StatusCode, body: String) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .body(body)
}

pub(crate) fn empty(status: StatusCode) -> Response {
    Response::builder().status(status).finish()
}

/// Marks a response that contains tokens, codes or personal data as not cacheable (RFC 6749 §5.1).
pub(crate) fn no_store(response: Response) -> Response {
    with_header(
        response,
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    )
}

pub(crate) fn with_header(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}

/// Returns the value of `Retry-After`: whole seconds, rounded up, at least one.
pub(crate) fn whole_seconds(duration: std::time::Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

/// Returns the value of `Allow` for these methods. GET implies HEAD (RFC 9110 §9.3.2).
pub(crate) fn allow(methods: &[Method]) -> HeaderValue {
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if methods.contains(&Method::GET) {
        names.push("HEAD");
    }
    // Method names are tokens, so the list is always a valid header value.
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// Returns whether `methods` allow this method. GET implies HEAD.
pub(crate) fn is_allowed(method: &Method, methods: &[Method]) -> bool {
    methods.contains(method) || (*method == Method::HEAD && methods.contains(&Method::GET))
}
