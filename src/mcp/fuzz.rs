//! The fuzz target of the checks in front of rmcp.

use serde_json::Value;

use super::message::{Message, Purpose};

/// Parses the body of a POST. A message that is accepted is one JSON object of JSON-RPC 2.0, and a second
/// parser finds the same id, params and tool.
#[expect(clippy::indexing_slicing, reason = "a missing member fails the comparison")]
pub fn message(data: &[u8]) {
    let message = match Message::parse(data) {
        Ok(message) => message,
        Err(error) => {
            assert!((-32_700..=-32_600).contains(&error.code), "{}", error.code);
            if let Some(id) = error.id {
                assert!(serde_json::from_str::<Value>(id).is_ok(), "{id}");
            }
            return;
        }
    };
    let value = match serde_json::from_slice::<Value>(data) {
        Ok(value) => value,
        Err(error) if UNREADABLE.iter().any(|one| error.to_string().starts_with(one)) => return,
        Err(error) => panic!("accepted, but not JSON: {error}"),
    };
    assert_eq!(value["jsonrpc"], "2.0");
    let same = |text: Option<&str>, member: Option<&Value>| {
        let parsed = text.map(|text| serde_json::from_str::<Value>(text).unwrap_or_default());
        assert_eq!(parsed.as_ref(), member);
    };
    same(message.id, value.get("id"));
    // Params of null count as absent.
    same(
        message.params,
        value.get("params").filter(|params| !params.is_null()),
    );
    match &message.purpose {
        Purpose::ToolCall(tool) => {
            assert_eq!(value["method"], "tools/call");
            assert_eq!(value["params"]["name"], **tool);
        }
        Purpose::Initialize => assert_eq!(value["method"], "initialize"),
        Purpose::Listen => assert_eq!(value["method"], "subscriptions/listen"),
        Purpose::OtherRequest => assert!(value["method"].is_string()),
        Purpose::NotARequest => assert!(value.get("method").is_none() || value.get("id").is_none()),
    }
    assert_eq!(message.is_request(), message.purpose != Purpose::NotARequest);
}

/// The errors of `serde_json` about JSON that follows the grammar: a number that is too large (RFC 8259 §6), and
/// half of a surrogate pair (§8.2). rmcp rejects such a message later.
const UNREADABLE: [&str; 3] = [
    "number out of range",
    "lone leading surrogate in hex escape",
    "unexpected end of hex escape",
];
