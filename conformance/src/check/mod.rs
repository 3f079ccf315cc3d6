//! An answer against what was expected of it. Pure: nothing here sends or waits.
//!
//! Each thing that is not so becomes one [`Difference`]: what was due, with every answer that would do, and what came.

mod challenge;
mod json;
mod same;
mod text;
mod verdict;
pub(crate) mod words;

use serde_json::Value;

pub(crate) use self::{
    text::{describe, holds},
    verdict::{describe as in_a_line, is_accepted},
};
use crate::{
    case::{Count, Expectation, JsonExpectation, OneOrMany, RpcErrorExpectation},
    wire::Answer,
};

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) expected: String,
    pub(crate) actual: String,
}

impl Difference {
    fn new(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            actual: actual.into(),
        }
    }
}

/// What an answer is compared with besides the expectation.
pub(crate) struct Context<'a> {
    /// The answers of the steps before this one.
    pub(crate) earlier: &'a [Answer],
    /// The token that was presented.
    pub(crate) token: Option<&'a str>,
    /// What was sent.
    pub(crate) sent: Sent,
}

/// What a request had in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// A request of JSON-RPC, which is answered.
    Request,
    /// A notification, which is not.
    Notification,
    /// Neither.
    Other,
}

impl Sent {
    pub(crate) fn of(body: &[u8]) -> Self {
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        match (message.get("method"), message.get("id")) {
            (Some(_), Some(_)) => Self::Request,
            (Some(_), None) => Self::Notification,
            (None, _) => Self::Other,
        }
    }
}

/// Everything about the answer that is not as expected. The expectation's placeholders are filled in.
pub(crate) fn check(expect: &Expectation, answer: &Answer, context: &Context<'_>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let status = expect.status.as_ref().map(OneOrMany::as_slice);
    if let Some(verdict) = expect.is {
        verdict::check(verdict, status, answer, context.sent, &mut differences);
    } else if let Some(accepted) = status {
        verdict::check_status(accepted, answer, &mut differences);
        if answer.status == 200 && context.sent == Sent::Request && answer.rpc().is_none() {
            differences.push(Difference::new("a JSON-RPC response", verdict::describe(answer)));
        }
    }
    if let Some(challenge) = &expect.challenge {
        challenge::check(challenge, answer, &mut differences);
    }
    for (name, matcher) in &expect.headers {
        let value = answer.header(name);
        text::check_header(name, matcher, value.as_deref(), &mut differences);
    }
    if let Some(matcher) = &expect.body {
        text::check("the body", matcher, Some(&answer.text()), &mut differences);
    }
    check_places("the body", &expect.json, answer.json().as_ref(), &mut differences);
    check_rpc(expect, answer, &mut differences);
    if let Some(step) = expect.same_as_step {
        same::check(step, answer, context, &mut differences);
    }
    if let Some(step) = expect.same_refusal_as_step
        && same::is_refusal(answer)
    {
        same::check(step, answer, context, &mut differences);
    }
    if expect.no_token
        && let Some(token) = context.token
    {
        check_token_absent(token, answer, &mut differences);
    }
    differences
}

/// How often Clerk was asked, against how often it may be.
pub(crate) fn check_count(endpoint: &str, count: Count, actual: u64) -> Option<Difference> {
    let enough = count.at_least.is_none_or(|least| actual >= least);
    let few = count.at_most.is_none_or(|most| actual <= most);
    (!enough || !few).then(|| {
        Difference::new(
            format!("{count} requests to Clerk's endpoint {endpoint}"),
            format!("{actual}"),
        )
    })
}

fn check_places(
    what: &str,
    places: &[JsonExpectation],
    document: Option<&Value>,
    differences: &mut Vec<Difference>,
) {
    if places.is_empty() {
        return;
    }
    match document {
        Some(document) => {
            for place in places {
                json::check(what, place, document, differences);
            }
        }
        None => differences.push(Difference::new(
            format!("{what} is JSON"),
            "it is not, or is not there",
        )),
    }
}

fn check_rpc(expect: &Expectation, answer: &Answer, differences: &mut Vec<Difference>) {
    let wanted = !expect.result.is_empty()
        || !expect.structured.is_empty()
        || expect.text.is_some()
        || expect.tool_failed.is_some()
        || expect.rpc_error.is_some();
    if !wanted {
        return;
    }
    let Some(message) = answer.rpc() else {
        let came = verdict::describe(answer);
        differences.push(Difference::new("a JSON-RPC response", came));
        return;
    };
    if let Some(error) = &expect.rpc_error {
        check_rpc_error(error, &message, differences);
        return;
    }
    let Some(result) = message.get("result") else {
        let error = message.get("error").cloned().unwrap_or_default();
        differences.push(Difference::new(
            "a result",
            format!("the error {}", json::shown(&error)),
        ));
        return;
    };
    check_places("the result", &expect.result, Some(result), differences);
    let text = tool_text(result);
    if let Some(matcher) = &expect.text {
        text::check("the tool's text", matcher, text.as_deref(), differences);
    }
    if let Some(failed) = expect.tool_failed {
        let actual = result.get("isError") == Some(&Value::Bool(true));
        if actual != failed {
            let said = |failed: bool| format!("isError {failed}");
            differences.push(Difference::new(said(failed), said(actual)));
        }
    }
    if !expect.structured.is_empty() {
        let structured = result.get("structuredContent");
        check_places("structuredContent", &expect.structured, structured, differences);
        let repeated: Option<Value> = text.as_deref().and_then(|text| serde_json::from_str(text).ok());
        if structured.is_some() && repeated.as_ref() != structured {
            differences.push(Difference::new(
                "the text is the same JSON as structuredContent",
                text.unwrap_or_else(|| "no text".to_owned()),
            ));
        }
    }
}

fn check_rpc_error(expect: &RpcErrorExpectation, message: &Value, differences: &mut Vec<Difference>) {
    let codes = expect.code.as_slice();
    let code = message.pointer("/error/code").and_then(Value::as_i64);
    if !code.is_some_and(|code| codes.contains(&code)) {
        let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
        differences.push(Difference::new(
            format!("a JSON-RPC error with code {}", codes.join(" or ")),
            code.map_or_else(|| "a result".to_owned(), |code| format!("code {code}")),
        ));
    }
    if let Some(matcher) = &expect.message {
        let text = message.pointer("/error/message").and_then(Value::as_str);
        text::check("the error's message", matcher, text, differences);
    }
    let data = message.pointer("/error/data");
    check_places("the error's data", &expect.data, data, differences);
}

/// What a tool said: its text contents, one after the other.
fn tool_text(result: &Value) -> Option<String> {
    let contents = result.get("content")?.as_array()?;
    let texts: Vec<&str> = contents
        .iter()
        .filter_map(|content| content.get("text")?.as_str())
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// Long enough that it cannot be there by chance.
const TELLING_PART: usize = 16;

fn check_token_absent(token: &str, answer: &Answer, differences: &mut Vec<Difference>) {
    let body = answer.text();
    let headers: Vec<String> = answer
        .headers
        .iter()
        .map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    let leaks = token
        .split('.')
        .filter(|part| part.len() >= TELLING_PART)
        .any(|part| body.contains(part) || headers.iter().any(|header| header.contains(part)));
    if leaks {
        differences.push(Difference::new(
            "no part of the token in the answer",
            "a part of it is there",
        ));
    }
}
