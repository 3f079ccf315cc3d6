//! What an answer is compared with besides the expectation.

use serde_json::Value;

use crate::wire::Answer;

/// The exchange that an answer belongs to.
pub(crate) struct Context<'a> {
    /// The answers of the steps before this one.
    pub(crate) earlier: &'a [Answer],
    /// The token that the request had.
    pub(crate) token: Option<&'a str>,
    /// The kind of message that was sent.
    pub(crate) sent: SentMessage,
    /// The id of the request that was sent.
    pub(crate) id: Option<Value>,
}

/// The kind of JSON-RPC message in a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SentMessage {
    /// A request, which gets a response.
    Request,
    /// A notification, which gets none.
    Notification,
    /// Neither.
    Other,
}

/// Returns the id of the JSON-RPC request in a body.
pub(crate) fn request_id(body: &[u8]) -> Option<Value> {
    let message: Value = serde_json::from_slice(body).ok()?;
    message.get("method")?;
    message
        .get("id")
        .filter(|id| id.is_string() || id.is_number())
        .cloned()
}

impl SentMessage {
    pub(crate) fn of(body: &[u8]) -> Self {
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        match (message.get("method"), message.get("id")) {
            (Some(_), Some(_)) => Self::Request,
            (Some(_), None) => Self::Notification,
            (None, _) => Self::Other,
        }
    }
}
