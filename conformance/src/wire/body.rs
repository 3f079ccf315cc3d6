use std::convert::Infallible;

use http::HeaderMap;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use serde_json::Value;

use super::{MAX_ANSWER_BYTES, WireError, describe};

pub(super) type Body = BoxBody<Bytes, Infallible>;

/// A body of known length, or in chunks.
pub(super) fn outgoing(bytes: Vec<u8>, chunked: bool) -> Body {
    let bytes = Bytes::from(bytes);
    if chunked {
        let frames = futures_util::stream::iter([Ok(Frame::data(bytes))]);
        return BodyExt::boxed(StreamBody::new(frames));
    }
    Full::new(bytes).boxed()
}

/// Reads to the end, or in an event stream until the response has come: some servers leave it open.
pub(super) async fn read(headers: &HeaderMap, mut body: Incoming) -> Result<Vec<u8>, WireError> {
    let stream = is_event_stream(headers);
    let mut bytes = Vec::new();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|error| WireError::Broken(describe(&error)))?;
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() > MAX_ANSWER_BYTES {
            return Err(WireError::Broken("more than 8 MiB came".to_owned()));
        }
        if stream && events(&String::from_utf8_lossy(&bytes)).any(|data| response(&data).is_some()) {
            break;
        }
    }
    Ok(bytes)
}

pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// The data of the complete events in a stream (HTML Standard §9.2.6).
pub(super) fn events(text: &str) -> impl Iterator<Item = String> {
    let text = text.replace("\r\n", "\n");
    let complete = text.rfind("\n\n").map_or(0, |end| end + 2);
    let events: Vec<String> = text
        .get(..complete)
        .unwrap_or_default()
        .split("\n\n")
        .map(|event| {
            let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
            let lines: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
            lines.join("\n")
        })
        .filter(|data| !data.is_empty())
        .collect();
    events.into_iter()
}

/// The message, when it is a JSON-RPC response.
pub(super) fn response(data: &str) -> Option<Value> {
    let message: Value = serde_json::from_str(data).ok()?;
    let is_response = message.get("jsonrpc").is_some()
        && (message.get("result").is_some() || message.get("error").is_some());
    is_response.then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_end_with_an_empty_line() {
        let text = "event: message\r\ndata: {\"jsonrpc\":\"2.0\",\r\ndata: \"id\":1,\"result\":{}}\r\n\r\n: comment\n\ndata:cut";
        let found: Vec<String> = events(text).collect();
        assert_eq!(found, ["{\"jsonrpc\":\"2.0\",\n\"id\":1,\"result\":{}}"]);
        assert!(response(&found[0]).is_some());
        assert!(response("{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}").is_none());
        assert_eq!(events("data: {}\n").count(), 0);
    }
}
