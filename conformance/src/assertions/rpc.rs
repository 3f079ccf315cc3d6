//! Compares the JSON-RPC response in an answer: result, tool output, error.

use serde_json::Value;

use super::{
    difference::{Differences, either},
    expected_answer::summary,
    json, matcher,
};
use crate::{
    case::{Expectation, RpcErrorExpectation},
    wire::Answer,
};

pub(super) fn compare(expect: &Expectation, answer: &Answer, differences: &mut Differences) {
    let expects_response = !expect.result.is_empty()
        || !expect.structured.is_empty()
        || expect.text.is_some()
        || expect.tool_failed.is_some()
        || expect.rpc_error.is_some();
    if !expects_response {
        return;
    }
    let Some(response) = answer.rpc() else {
        return differences.add("a JSON-RPC response", summary(answer));
    };
    if let Some(error) = &expect.rpc_error {
        return compare_error(error, &response, differences);
    }
    let Some(result) = response.get("result") else {
        let error = response.get("error").cloned().unwrap_or_default();
        return differences.add("a JSON-RPC result", format!("the error {}", json::shown(&error)));
    };
    json::compare_all("the result", &expect.result, Some(result), differences);
    let text = tool_text(result);
    if let Some(matcher) = &expect.text {
        matcher::compare("the tool's text", matcher, text.as_deref(), differences);
    }
    if let Some(failed) = expect.tool_failed {
        let actual = result.get("isError") == Some(&Value::Bool(true));
        if actual != failed {
            differences.add(format!("isError {failed}"), format!("isError {actual}"));
        }
    }
    if !expect.structured.is_empty() {
        let structured = result.get("structuredContent");
        json::compare_all("structuredContent", &expect.structured, structured, differences);
        let repeated: Option<Value> = text.as_deref().and_then(|text| serde_json::from_str(text).ok());
        if structured.is_some() && repeated.as_ref() != structured {
            differences.add(
                "the tool's text is the same JSON as structuredContent",
                text.unwrap_or_else(|| "no text".to_owned()),
            );
        }
    }
}

/// The codes of errors that a server may send before it knows the id: parse error and invalid request.
const CODES_WITHOUT_ID: [i64; 2] = [-32700, -32600];

/// Compares the id of the JSON-RPC response in any answer with the id of the request. Only the response to a
/// request that the server rejected before it read the message may have none.
pub(super) fn compare_id(sent: Option<&Value>, answer: &Answer, differences: &mut Differences) {
    let (Some(sent), Some(response)) = (sent, answer.rpc()) else {
        return;
    };
    let given = response.get("id").unwrap_or(&Value::Null);
    let code = response.pointer("/error/code").and_then(Value::as_i64);
    let may_lack_id = answer.status != 200 || code.is_some_and(|code| CODES_WITHOUT_ID.contains(&code));
    if given != sent && !(given.is_null() && may_lack_id) {
        differences.add(
            format!("the id of the request in the response: {sent}"),
            given.to_string(),
        );
    }
}

fn compare_error(expect: &RpcErrorExpectation, response: &Value, differences: &mut Differences) {
    let codes = expect.code.as_slice();
    let code = response.pointer("/error/code").and_then(Value::as_i64);
    if !code.is_some_and(|code| codes.contains(&code)) {
        differences.add(
            format!("a JSON-RPC error with code {}", either(codes)),
            code.map_or_else(|| "a result".to_owned(), |code| format!("code {code}")),
        );
    }
    if let Some(matcher) = &expect.message {
        let text = response.pointer("/error/message").and_then(Value::as_str);
        matcher::compare("the error's message", matcher, text, differences);
    }
    let data = response.pointer("/error/data");
    json::compare_all("the error's data", &expect.data, data, differences);
}

/// Returns the text contents of a tool result, joined with line breaks.
fn tool_text(result: &Value) -> Option<String> {
    let contents = result.get("content")?.as_array()?;
    let texts: Vec<&str> = contents
        .iter()
        .filter_map(|content| content.get("text")?.as_str())
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn assert_id_is_right(right: bool, status: StatusCode, response: &Value) {
        let answer = Answer {
            status,
            headers: HeaderMap::new(),
            body: response.to_string().into_bytes(),
        };
        let mut differences = Differences::default();
        compare_id(Some(&json!("42")), &answer, &mut differences);
        assert_eq!(differences.into_vec().is_empty(), right, "{status} {response}");
    }

    #[test]
    fn only_a_response_to_an_unread_request_may_have_another_id() {
        let (ok, bad) = (StatusCode::OK, StatusCode::BAD_REQUEST);
        let error = |id: Value, code: i64| json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code } });
        assert_id_is_right(true, ok, &json!({ "jsonrpc": "2.0", "id": "42", "result": {} }));
        assert_id_is_right(false, ok, &json!({ "jsonrpc": "2.0", "id": 42, "result": {} }));
        assert_id_is_right(false, ok, &json!({ "jsonrpc": "2.0", "result": {} }));
        assert_id_is_right(true, ok, &error(json!("42"), -32601));
        assert_id_is_right(false, ok, &error(Value::Null, -32601));
        assert_id_is_right(true, ok, &error(Value::Null, -32600));
        assert_id_is_right(true, bad, &error(Value::Null, -32601));
        assert_id_is_right(false, bad, &error(json!(42), -32601));
        assert_id_is_right(true, ok, &json!({ "message": "no JSON-RPC" }));
    }
}
