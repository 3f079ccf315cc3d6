//! Spans for distributed tracing: of a request, the verification of its token, a call of Clerk, and a tool.
//!
//! They have one target, [`TARGET`], at level DEBUG. Nothing is recorded unless something subscribes to it,
//! which the program does if it exports traces. No span contains a token, an id of a user, or text that a
//! client can choose freely.

use http::HeaderMap;
use tracing::{Span, field::Empty};

/// The target of the spans.
pub(crate) const TARGET: &str = "clerk_mcp::trace";

/// The span of an HTTP request, in the extensions of the request.
#[derive(Debug, Clone)]
pub(crate) struct RequestSpan(pub(crate) Span);

/// Returns whether something subscribes to the spans.
pub(crate) fn is_recorded() -> bool {
    tracing::span_enabled!(target: TARGET, tracing::Level::DEBUG)
}

/// Creates the span of a request, as a child of the span that its `traceparent` names (W3C Trace Context
/// §3.2).
pub(crate) fn request(method: &'static str, route: &'static str, headers: &HeaderMap) -> Span {
    let span = tracing::debug_span!(
        target: TARGET,
        "request",
        otel.name = format_args!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
    );
    continue_trace(&span, |name| headers.get(name)?.to_str().ok());
    span
}

/// Creates the span of the verification of a token.
pub(crate) fn verification() -> Span {
    tracing::debug_span!(target: TARGET, "verify token", error.type = Empty)
}

/// Creates the span of a request to Clerk, with all of its attempts.
pub(crate) fn clerk(operation: &'static str) -> Span {
    tracing::debug_span!(
        target: TARGET,
        "clerk",
        otel.name = format_args!("clerk {operation}"),
        otel.kind = "client",
        error.type = Empty,
    )
}

/// Creates the span of a tool call, as a child of the span that `_meta` names (MCP, SEP-414), or else of the
/// HTTP request. `tool` is the name of a tool that exists.
pub(crate) fn tool<'a>(
    tool: &str,
    request: Option<&RequestSpan>,
    meta: impl Fn(&str) -> Option<&'a str>,
) -> Span {
    let parent = request.and_then(|RequestSpan(span)| span.id());
    let span = tracing::debug_span!(
        target: TARGET,
        parent: parent,
        "tool",
        otel.name = format_args!("tools/call {tool}"),
        mcp.method.name = "tools/call",
        gen_ai.tool.name = tool,
        error.type = Empty,
    );
    continue_trace(&span, meta);
    span
}

/// Makes `span` a child of the span of the caller, if `member` returns a valid `traceparent`.
#[cfg(feature = "otlp")]
fn continue_trace<'a>(span: &Span, member: impl Fn(&str) -> Option<&'a str>) {
    use std::collections::HashMap;

    use opentelemetry::{propagation::TextMapPropagator, trace::TraceContextExt};
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    if span.is_disabled() {
        return;
    }
    let carrier: HashMap<String, String> = ["traceparent", "tracestate"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), member(name)?.to_owned())))
        .collect();
    let caller = TraceContextPropagator::new().extract(&carrier);
    if caller.span().span_context().is_valid() {
        // Fails only if the span has begun.
        let _ = span.set_parent(caller);
    }
}

#[cfg(not(feature = "otlp"))]
fn continue_trace<'a>(_span: &Span, _member: impl Fn(&str) -> Option<&'a str>) {}
