//! Bodies of requests and answers, including event streams.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use http::HeaderMap;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use serde_json::Value;

use super::{MAX_ANSWER_BYTES, WireError, describe};

pub(super) type Body = BoxBody<Bytes, Infallible>;

/// Returns a request body with a Content-Length, or with chunked encoding.
pub(super) fn outgoing(bytes: Vec<u8>, chunked: bool) -> Body {
    let bytes = Bytes::from(bytes);
    if chunked {
        let frames = futures_util::stream::iter([Ok(Frame::data(bytes))]);
        return BodyExt::boxed(StreamBody::new(frames));
    }
    Full::new(bytes).boxed()
}

/// Returns a request body that is declared and never sent.
pub(super) fn withheld(bytes: u64) -> Body {
    Withheld(bytes).boxed()
}

/// A body of this size that has no data yet.
struct Withheld(u64);

impl hyper::body::Body for Withheld {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

/// Reads a body to its end. Reads an event stream only until the JSON-RPC response, because some servers keep
/// it open.
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
            return Err(WireError::Broken("the body is larger than 8 MiB".to_owned()));
        }
        if stream && events(&String::from_utf8_lossy(&bytes)).any(|data| response(&data).is_some()) {
            break;
        }
    }
    Ok(bytes)
}

/// Returns whether the answer is an event stream.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// Returns the data of all complete events in a stream (HTML Standard §9.2.6).
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

/// Parses `data` as a JSON-RPC response. Returns `None` for any other data.
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
    fn only_complete_events_are_returned() {
        let text = "event: message\r\ndata: {\"jsonrpc\":\"2.0\",\r\ndata: \"id\":1,\"result\":{}}\r\n\r\n: comment\n\ndata:cut";
        let found: Vec<String> = events(text).collect();
        assert_eq!(found, ["{\"jsonrpc\":\"2.0\",\n\"id\":1,\"result\":{}}"]);
        assert!(response(&found[0]).is_some());
        assert!(response("{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}").is_none());
        assert_eq!(events("data: {}\n").count(), 0);
    }
}
