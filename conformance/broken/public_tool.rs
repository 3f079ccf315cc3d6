//! Decides which messages need no token, if the server has a public tool.

use poem::http::HeaderMap;
use serde_json::Value;

use super::{
    flaw::Flaw,
    jwt::{object_with_first_duplicates, unique_object},
    server::Server,
};

/// The methods that need no token.
const DISCOVERY: [&str; 5] = [
    "initialize",
    "notifications/initialized",
    "ping",
    "server/discover",
    "tools/list",
];

impl Server {
    /// Returns whether a caller without a token may send this body.
    pub(crate) fn is_public(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let Some(public_tool) = self.settings.public_tool.as_deref() else {
            return false;
        };
        let header = |name: &str| {
            let mut values = headers.get_all(name).iter();
            let value = values.next().and_then(|value| value.to_str().ok());
            value.filter(|_| values.next().is_none())
        };
        let (method, name) = self.checked_names(body);
        let (method, name) = (method.as_deref(), name.as_deref());
        let by_header = header("mcp-method").filter(|_| self.has(Flaw::HeaderMakesPublic));
        if let Some(method) = by_header {
            return DISCOVERY.contains(&method) || header("mcp-name") == Some(public_tool);
        }
        match method {
            _ if self.has(Flaw::PublicToolIgnored) => false,
            Some("tools/call") => name == Some(public_tool) || self.has(Flaw::EveryToolPublic),
            Some(method) => DISCOVERY.contains(&method) || self.has(Flaw::OtherRequestsPublic),
            None => false,
        }
    }

    /// Returns the method and the name in the body.
    fn checked_names(&self, body: &[u8]) -> (Option<String>, Option<String>) {
        let first_of_batch = serde_json::from_slice::<Vec<Value>>(body).ok().and_then(|batch| {
            let first = batch
                .into_iter()
                .next()
                .filter(|_| self.has(Flaw::FirstOfBatchChecked))?;
            first.as_object().cloned()
        });
        let message = if self.has(Flaw::FirstMemberChecked) {
            object_with_first_duplicates(body)
        } else {
            first_of_batch.or_else(|| unique_object(body))
        };
        let message = message.unwrap_or_default();
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let name = message.get("params").and_then(|params| params.get("name"));
        (text(message.get("method")), text(name))
    }
}
