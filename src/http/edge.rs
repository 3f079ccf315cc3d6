//! [`Edge`]: the outermost endpoint. It selects the area of a request, and adds the headers that every
//! response has.

use std::{cmp::Reverse, sync::Arc};

use poem::{
    Endpoint, Request, Response, Result,
    http::{HeaderName, HeaderValue, header},
};
use tracing::Instrument;

use super::{access_log::AccessLog, area::Area};
use crate::{request_id::RequestId, trace::RequestSpan};

/// All areas of a server, and the request id, access log and headers that they share.
pub(crate) struct Edge {
    log: AccessLog,
    /// The areas with their paths, longest path first, so that the most specific area is found.
    areas: Vec<(String, Arc<Area>)>,
    /// The area of all other paths.
    default: Area,
}

impl Edge {
    /// Creates the endpoint of a server with these `areas`, each at its paths and below them. All other paths
    /// belong to the `default` area.
    pub(crate) fn new(log: AccessLog, areas: Vec<(Vec<String>, Area)>, default: Area) -> Self {
        let mut areas: Vec<_> = areas
            .into_iter()
            .flat_map(|(paths, area)| {
                let area = Arc::new(area);
                paths.into_iter().map(move |path| (path, Arc::clone(&area)))
            })
            .collect();
        areas.sort_by_key(|(path, _)| Reverse(path.len()));
        Self { log, areas, default }
    }

    fn area(&self, path: &str) -> &Area {
        self.areas
            .iter()
            .find(|(start, _)| {
                path.strip_prefix(start.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .map_or(&self.default, |(_, area)| area)
    }
}

impl Endpoint for Edge {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let id = RequestId::random();
        request.extensions_mut().insert(id);
        let entry = self.log.begin(&request);
        let trace_span = entry.span(request.headers());
        if !trace_span.is_disabled() {
            request.extensions_mut().insert(RequestSpan(trace_span.clone()));
        }
        // The id is a task-local for `cli::log_output`. `log_span` is for other subscribers, and `trace_span`
        // for exported traces. The future is boxed, so that the wrappers around it do not move it.
        let response = id.scope(Box::pin(self.area(request.uri().path()).respond(request)));
        let log_span = tracing::error_span!(target: REQUEST_SPAN, "request", request_id = %id);
        let response = response
            .instrument(log_span.clone())
            .instrument(trace_span.clone());
        let mut response = response.await;
        trace_span.record("http.response.status_code", response.status().as_u16());
        let headers = response.headers_mut();
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if let Ok(id) = HeaderValue::from_bytes(&id.to_ascii()) {
            headers.insert(REQUEST_ID, id);
        }
        log_span.in_scope(|| id.sync_scope(|| entry.finish(response.status())));
        Ok(response)
    }
}

/// The target of the span around each request, which has the request id as its field. The log filter of the
/// program turns this span off, because `cli::log_output` adds the id itself and creating the span takes about
/// 3 µs.
pub(crate) const REQUEST_SPAN: &str = "clerk_mcp::request";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
