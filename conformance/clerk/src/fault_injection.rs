//! Counts and logs each request to the Frontend and Backend API, and applies the injected faults to its
//! response.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use poem::{
    Body, Request, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::{Map, Value, json};

use crate::{
    http::respond,
    store::{endpoint::Endpoint, faults::Fault, instance::Instance},
    tokens::placeholders::apply_changes,
};

/// Chunk size of a huge body.
const CHUNK_BYTES: usize = 64 * 1024;
/// The `Content-Length` of a truncated response whose correct body is empty.
const TRUNCATED_EMPTY_LENGTH: usize = 100;

/// Answers a request with `answer`, unless the active faults change or replace the response.
pub(crate) async fn answer_with_faults(
    instance: &Instance,
    endpoint: Option<Endpoint>,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let number = instance.log.begin(endpoint, &request, instance.clock.now());
    let peer = request.remote_addr().clone();
    let applied = instance.faults.apply(endpoint);
    for delay in applied.delays {
        delay.wait().await;
    }
    let name = applied.fault.as_ref().map(Fault::name);
    let response = match applied.fault {
        None => answer(request).await,
        Some(Fault::Truncated) => truncate(answer(request).await).await,
        Some(Fault::WrongContentType) => respond::with_header(
            answer(request).await,
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        Some(Fault::WrongStatus(status)) => {
            let mut response = answer(request).await;
            response.set_status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
            response
        }
        Some(Fault::Changed { members }) => change_members(answer(request).await, &members).await,
        Some(Fault::Reset) => {
            instance.connections.reset(&peer);
            // Never sent: the write fails and closes the connection.
            respond::empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Some(fault) => replacement(instance, fault),
    };
    // Path and query may contain codes and tokens, so only the endpoint's name is logged.
    tracing::debug!(
        endpoint = endpoint.map_or("none", Endpoint::name),
        status = response.status().as_u16(),
        fault = name,
        "answered"
    );
    instance.log.finish(number, response.status(), name);
    response
}

/// Returns the response of a fault that replaces the correct response.
fn replacement(instance: &Instance, fault: Fault) -> Response {
    match fault {
        Fault::Status(status) => error_envelope(instance, status, None),
        Fault::RateLimited { retry_after } => error_envelope(instance, 429, Some(retry_after)),
        Fault::Down => {
            let page = "<!doctype html><title>503</title><h1>Service temporarily unavailable</h1>\n";
            respond::html(StatusCode::SERVICE_UNAVAILABLE, page.to_owned())
        }
        Fault::Malformed => Response::builder()
            .header(header::CONTENT_TYPE, respond::JSON)
            .body(r#"{"object":"#),
        Fault::Huge { bytes } => Response::builder()
            .header(header::CONTENT_TYPE, respond::JSON)
            .body(huge_body(bytes, instance.log.huge_bytes_counter())),
        Fault::Redirect { location } => {
            let location = HeaderValue::from_str(&location).unwrap_or(HeaderValue::from_static("/"));
            respond::with_header(respond::empty(StatusCode::FOUND), header::LOCATION, location)
        }
        Fault::Truncated
        | Fault::WrongContentType
        | Fault::WrongStatus(_)
        | Fault::Changed { .. }
        | Fault::Reset
        | Fault::Delay(_)
        | Fault::Hold => respond::empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Returns Clerk's error envelope for a status.
fn error_envelope(instance: &Instance, status: u16, retry_after: Option<Duration>) -> Response {
    let (code, message, long_message) = match status {
        401 => (
            "authentication_invalid",
            "Invalid authentication",
            "Unable to authenticate the request, you need to supply an active session",
        ),
        403 => (
            "authorization_invalid",
            "Unauthorized request",
            "You are not authorized to perform this request",
        ),
        404 => ("resource_not_found", "not found", "Resource not found"),
        429 => (
            "too_many_requests",
            "Too many requests",
            "Too many requests, retry later",
        ),
        503 => (
            "service_unavailable",
            "Service unavailable",
            "The service is temporarily unavailable",
        ),
        504 => (
            "gateway_timeout",
            "Gateway timeout",
            "The service did not answer in time",
        ),
        _ => (
            "internal_clerk_error",
            "Oops, an unexpected error occurred",
            "There was an internal error on our servers. We've been notified and are working on fixing it.",
        ),
    };
    let trace_id = instance.ids.trace_id();
    let body: Value = json!({
        "errors": [{ "message": message, "long_message": long_message, "code": code }],
        "clerk_trace_id": trace_id,
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond::json(status, &body);
    if let Ok(trace_id) = HeaderValue::from_str(&trace_id) {
        response.headers_mut().insert(respond::TRACE_ID, trace_id);
    }
    match retry_after {
        Some(retry_after) => respond::with_header(
            response,
            header::RETRY_AFTER,
            HeaderValue::from(respond::whole_seconds(retry_after)),
        ),
        None => response,
    }
}

/// Truncates a response: announces the full length, sends half of the body, and closes the connection.
async fn truncate(mut response: Response) -> Response {
    let body = response.take_body().into_bytes().await.unwrap_or_default();
    let length = if body.is_empty() {
        TRUNCATED_EMPTY_LENGTH
    } else {
        body.len()
    };
    let half = body.slice(..body.len() / 2);
    let parts = stream::once(async { Ok(half) }).chain(stream::once(async {
        // The server sends the first half only when the stream is pending.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    }));
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response.set_body(Body::from_bytes_stream(parts));
    response
}

/// Changes members of a response. A body that is not a JSON object, such as an error page, stays as it is.
async fn change_members(mut response: Response, members: &[(String, Option<Value>)]) -> Response {
    let body = response.take_body().into_bytes().await.unwrap_or_default();
    let body = match serde_json::from_slice::<Map<String, Value>>(&body) {
        Ok(mut object) => {
            apply_changes(&mut object, members);
            Value::Object(object).to_string().into_bytes()
        }
        Err(_) => body.to_vec(),
    };
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.set_body(body);
    response
}

/// Returns a body of one JSON object with one long member, generated while it is sent. Counts what is sent.
fn huge_body(bytes: u64, sent: Arc<AtomicU64>) -> Body {
    let filler = (0..bytes.div_ceil(CHUNK_BYTES as u64)).map(|_| "x".repeat(CHUNK_BYTES));
    let parts = std::iter::once(r#"{"padding":""#.to_owned())
        .chain(filler)
        .chain(std::iter::once(r#""}"#.to_owned()));
    let counted = parts.inspect(move |part| {
        sent.fetch_add(part.len() as u64, Ordering::Relaxed);
    });
    Body::from_bytes_stream(stream::iter(counted.map(Ok::<String, io::Error>)))
}
