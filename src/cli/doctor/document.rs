//! Fetches the JSON documents that the checks examine.

use std::fmt;

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde_json::Value;

use crate::outbound::OutboundError;

/// A fetched JSON document, or why it could not be fetched.
pub(super) struct FetchedDocument {
    pub(super) body: Result<Value, DocumentError>,
    /// The `Date` of the response: the clock of the sender.
    pub(super) date: Option<Timestamp>,
}

/// Why a document could not be fetched.
pub(super) enum DocumentError {
    Unanswered(OutboundError),
    Status(StatusCode),
    NotJson,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered(error) => write!(f, "{error}"),
            Self::Status(status) => write!(f, "the response has HTTP status {}", status.as_u16()),
            Self::NotJson => f.write_str("the response is not a JSON object"),
        }
    }
}

impl DocumentError {
    /// Returns whether Clerk answered with a server error: Clerk has trouble, and the configuration may be
    /// right.
    pub(super) fn is_outage(&self) -> bool {
        matches!(self, Self::Status(status) if status.is_server_error())
    }
}

impl FetchedDocument {
    /// Sends `request`, and reads the response as a JSON object.
    pub(super) async fn fetch(request: RequestBuilder) -> Self {
        let sent = request.header(header::ACCEPT, "application/json").send().await;
        let (body, date) = match sent {
            Ok(response) => {
                let date = date(&response);
                (Self::body(response).await, date)
            }
            Err(error) => (Err(DocumentError::Unanswered(error.into())), None),
        };
        Self { body, date }
    }

    async fn body(response: Response) -> Result<Value, DocumentError> {
        if response.status() != StatusCode::OK {
            return Err(DocumentError::Status(response.status()));
        }
        let text = response
            .bytes()
            .await
            .map_err(|error| DocumentError::Unanswered(error.into()))?;
        serde_json::from_slice(&text)
            .ok()
            .filter(Value::is_object)
            .ok_or(DocumentError::NotJson)
    }
}

/// Parses the `Date` header (RFC 9110 §6.6.1).
fn date(response: &Response) -> Option<Timestamp> {
    let text = response.headers().get(header::DATE)?.to_str().ok()?;
    Some(rfc2822::parse(text).ok()?.timestamp())
}
