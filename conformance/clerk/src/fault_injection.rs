//! Every request goes through here: it is counted, recorded, and meets the faults that are due.

use std::{io, time::Duration};

use futures_util::{StreamExt as _, stream};
use poem::{
    Body, Request, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::{Map, Value, json};

use crate::{
    http::respond,
    store::{endpoint::Endpoint, faults::Fault, state::Instance},
    tokens::placeholders::change,
};

/// What is sent at once of an answer that is made up.
const CHUNK_BYTES: usize = 64 * 1024;
/// What a cut answer announces when the right one has no body at all.
const LENGTH_OF_NOTHING: usize = 100;

/// Answers a request, or does to it what the faults in force say. `path` is what the log may show of it.
pub(crate) async fn answer_with_faults(
    instance: &Instance,
    endpoint: Option<Endpoint>,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let number = instance.log.begin(endpoint, &request, instance.clock.now());
    let peer = request.remote_addr().clone();
    let due = instance.faults.due(endpoint);
    for wait in due.waits {
        wait.over().await;
    }
    let name = due.fault.as_ref().map(Fault::name);
    let response = match due.fault {
        None => answer(request).await,
        Some(Fault::Truncated) => truncated(answer(request).await).await,
        Some(Fault::WrongContentType) => respond::with_header(
            answer(request).await,
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        Some(Fault::Changed { members }) => changed(answer(request).await, &members).await,
        Some(Fault::Reset) => {
            instance.connections.reset(&peer);
            // Never sent: writing it is what ends the connection.
            respond::empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Some(fault) => made_up(instance, fault),
    };
    // The endpoint by name, not the path and query it was reached by: those can hold codes and tokens.
    tracing::debug!(
        endpoint = endpoint.map_or("none", Endpoint::name),
        status = response.status().as_u16(),
        fault = name,
        "answered"
    );
    instance.log.finish(number, response.status(), name);
    response
}

/// An answer that has nothing to do with the request.
fn made_up(instance: &Instance, fault: Fault) -> Response {
    match fault {
        Fault::Status(status) => envelope(instance, status, None),
        Fault::RateLimited { retry_after } => envelope(instance, 429, Some(retry_after)),
        Fault::Down => {
            let page = "<!doctype html><title>503</title><h1>Service temporarily unavailable</h1>\n";
            respond::html(StatusCode::SERVICE_UNAVAILABLE, page.to_owned())
        }
        Fault::Malformed => Response::builder()
            .header(header::CONTENT_TYPE, respond::JSON)
            .body(r#"{"object":"#),
        Fault::Huge { bytes } => Response::builder()
            .header(header::CONTENT_TYPE, respond::JSON)
            .body(huge(bytes)),
        Fault::Redirect { location } => {
            let location = HeaderValue::from_str(&location).unwrap_or(HeaderValue::from_static("/"));
            respond::with_header(respond::empty(StatusCode::FOUND), header::LOCATION, location)
        }
        Fault::Truncated
        | Fault::WrongContentType
        | Fault::Changed { .. }
        | Fault::Reset
        | Fault::Delay(_)
        | Fault::Hold => respond::empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Clerk's error envelope with the code it uses for a status.
fn envelope(instance: &Instance, status: u16, retry_after: Option<Duration>) -> Response {
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

/// The same answer, cut: the length stays, half of the body comes, and then the connection ends.
async fn truncated(mut response: Response) -> Response {
    let body = response.take_body().into_bytes().await.unwrap_or_default();
    let length = if body.is_empty() {
        LENGTH_OF_NOTHING
    } else {
        body.len()
    };
    let half = body.slice(..body.len() / 2);
    let parts = stream::once(async { Ok(half) }).chain(stream::once(async {
        // What came before is only sent once there is nothing more to be had at the moment.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    }));
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response.set_body(Body::from_bytes_stream(parts));
    response
}

/// The same answer with other members. What is no JSON object, such as an error page, stays as it is.
async fn changed(mut response: Response, members: &[(String, Option<Value>)]) -> Response {
    let body = response.take_body().into_bytes().await.unwrap_or_default();
    let body = match serde_json::from_slice::<Map<String, Value>>(&body) {
        Ok(mut object) => {
            change(&mut object, members);
            Value::Object(object).to_string().into_bytes()
        }
        Err(_) => body.to_vec(),
    };
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.set_body(body);
    response
}

/// One object with one long member, made as it is sent.
fn huge(bytes: u64) -> Body {
    let filler = (0..bytes.div_ceil(CHUNK_BYTES as u64)).map(|_| "x".repeat(CHUNK_BYTES));
    let parts = std::iter::once(r#"{"padding":""#.to_owned())
        .chain(filler)
        .chain(std::iter::once(r#""}"#.to_owned()));
    Body::from_bytes_stream(stream::iter(parts.map(Ok::<String, io::Error>)))
}
