//! A minimal HTTP client that sends exactly the request of a case. It does not normalize requests, follow
//! redirects or retry. It reuses a connection, or speaks HTTP/2, only if the case says so.

mod body;
mod connection;

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use self::body::read;
pub(crate) use self::connection::{Address, Trust};

/// The maximum size of an answer. Larger than any answer that a case requests.
pub(crate) const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// A request to send.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    /// Path and query, unchanged.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether to use chunked encoding instead of a Content-Length.
    pub(crate) chunked: bool,
    /// A request to send first on the same connection. Its answer is dropped.
    pub(crate) after: Option<Box<Self>>,
    /// Whether to use HTTP/2 without TLS if the target speaks it.
    pub(crate) http2: bool,
    /// The size of a body that is declared and not sent, instead of `body`.
    pub(crate) declared_bytes: Option<u64>,
}

impl Outgoing {
    /// Returns the request as text, with LF line ends and without Content-Length.
    pub(crate) fn as_text(&self) -> String {
        format!(
            "{} {} HTTP/1.1\n{}\n{}",
            self.method,
            self.path,
            header_lines(&self.headers),
            String::from_utf8_lossy(&self.body),
        )
    }
}

/// The answer of a target.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("cannot send the request: {0}")]
    Request(String),
    #[error("cannot connect to {address}: {reason}")]
    Connect { address: String, reason: String },
    #[error("the connection was closed without a complete answer: {0}")]
    Broken(String),
    #[error("no answer within {}", crate::wire::seconds(*.0))]
    Timeout(Duration),
}

/// Sends one request on a new connection and reads the answer. Reads an event stream only until the JSON-RPC
/// response.
///
/// # Errors
///
/// Returns [`WireError`] if there is no complete answer within `limit`.
pub(crate) async fn exchange(
    address: &Address,
    outgoing: &Outgoing,
    limit: Duration,
) -> Result<Answer, WireError> {
    let work = async {
        if outgoing.http2
            && let Some(answer) = exchange_over_http2(address, outgoing).await
        {
            return Ok(answer);
        }
        let mut sender = address.connect().await?;
        if let Some(first) = &outgoing.after {
            let sent = sender.send_request(request(first)?).await;
            let (head, body) = sent
                .map_err(|error| WireError::Broken(describe(&error)))?
                .into_parts();
            read(&head.headers, body).await?;
            if sender.ready().await.is_err() {
                // The target closes connections after one request, so it cannot confuse two callers on one.
                sender = address.connect().await?;
            }
        }
        let response = sender
            .send_request(request(outgoing)?)
            .await
            .map_err(|error| WireError::Broken(describe(&error)))?;
        let (head, body) = response.into_parts();
        Ok(Answer {
            status: head.status,
            body: read(&head.headers, body).await?,
            headers: head.headers,
        })
    };
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or(Err(WireError::Timeout(limit)))
}

/// Sends the requests over one HTTP/2 connection. Returns `None` if the target does not speak HTTP/2.
async fn exchange_over_http2(address: &Address, outgoing: &Outgoing) -> Option<Answer> {
    let mut sender = address.connect_http2().await.ok()?;
    let mut answer = None;
    for outgoing in outgoing.after.as_deref().into_iter().chain([outgoing]) {
        let mut request = request(outgoing).ok()?;
        // HTTP/2 has a pseudo-header instead (RFC 9113 §8.3.1).
        let host = request.headers_mut().remove(http::header::HOST)?;
        let uri = format!("http://{}{}", host.to_str().ok()?, outgoing.path);
        *request.uri_mut() = uri.parse().ok()?;
        let (head, body) = sender.send_request(request).await.ok()?.into_parts();
        answer = Some(Answer {
            status: head.status,
            body: read(&head.headers, body).await.ok()?,
            headers: head.headers,
        });
    }
    answer
}

fn request(outgoing: &Outgoing) -> Result<http::Request<body::Body>, WireError> {
    let mut request = http::Request::builder()
        .method(outgoing.method.clone())
        .uri(outgoing.path.as_str())
        .body(match outgoing.declared_bytes {
            Some(bytes) => body::withheld(bytes),
            None => body::outgoing(outgoing.body.clone(), outgoing.chunked),
        })
        .map_err(|error| WireError::Request(error.to_string()))?;
    *request.headers_mut() = outgoing.headers.clone();
    Ok(request)
}

/// Describes an error and its causes.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Formats a duration in seconds: `10 s`, `0.5 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// Returns one line per header. Leaves out values that differ in every run without a meaning for the reader.
fn header_lines(headers: &HeaderMap) -> String {
    let mut lines = String::new();
    for (name, value) in headers {
        if *name == http::header::DATE {
            continue;
        }
        let value = match name.as_str() {
            "x-request-id" => "…".into(),
            _ => String::from_utf8_lossy(value.as_bytes()),
        };
        lines.extend([name.as_str(), ": ", &value, "\n"]);
    }
    lines
}

impl Answer {
    /// Returns the answer as text, with LF line ends.
    pub(crate) fn as_text(&self) -> String {
        format!(
            "HTTP/1.1 {}\n{}\n{}",
            self.status,
            header_lines(&self.headers),
            self.text()
        )
    }

    /// Returns the values of a header as text.
    pub(crate) fn header_values<'a>(&'a self, name: &str) -> impl Iterator<Item = String> + use<'a> {
        self.headers
            .get_all(http::HeaderName::try_from(name).unwrap_or(http::header::TE))
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// Returns the values of a header, joined with commas (RFC 9110 §5.3).
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<String> = self.header_values(name).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Parses the body as JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Returns the JSON-RPC response in the body, which is JSON or an event stream.
    pub(crate) fn rpc(&self) -> Option<Value> {
        if body::is_event_stream(&self.headers) {
            body::events(&self.text()).find_map(|data| body::response(&data))
        } else {
            body::response(&self.text())
        }
    }
}
