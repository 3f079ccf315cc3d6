//! Compares an answer with an [`ExpectedAnswer`], such as `accepted` or `invalid-token`.

use serde_json::Value;

use super::{
    challenge::Challenge,
    context::SentMessage,
    difference::{Differences, either},
};
use crate::{case::ExpectedAnswer, wire::Answer};

/// Compares the answer with its expected kind. `statuses` replaces the statuses of that kind.
pub(super) fn compare(
    expected: ExpectedAnswer,
    statuses: Option<&[u16]>,
    answer: &Answer,
    sent: SentMessage,
    differences: &mut Differences,
) {
    if expected == ExpectedAnswer::Accepted {
        if !(is_accepted(answer) || sent == SentMessage::Notification && answer.status == 202) {
            differences.add("accepted: 200 with a JSON-RPC result", summary(answer));
        }
        return;
    }
    if expected == ExpectedAnswer::Denied {
        if !is_denial(answer) {
            differences.add(describe(expected, statuses), summary(answer));
        }
        return;
    }
    if has_result(answer) {
        let expected = format!("the request is not processed ({})", describe(expected, statuses));
        return differences.add(expected, summary(answer));
    }
    match statuses.or_else(|| default_statuses(expected)) {
        Some(statuses) => compare_status(statuses, answer, differences),
        None if (300..500).contains(&answer.status.as_u16()) => {}
        None => differences.add("a status from 300 to 499", summary(answer)),
    }
    let challenge = answer.header("www-authenticate");
    let sent_challenge = challenge.map(|value| format!("WWW-Authenticate: {value}"));
    match expected {
        ExpectedAnswer::Challenged | ExpectedAnswer::InvalidToken | ExpectedAnswer::InsufficientScope => {
            // RFC 6750 §3 makes the header and its scheme a MUST. Its parameters are optional.
            Challenge::required(answer, differences);
        }
        ExpectedAnswer::Forbidden => {
            let challenge = Challenge::of(answer);
            if challenge.is_some_and(|challenge| challenge.get("error") == Some("insufficient_scope")) {
                differences.add(
                    "no insufficient_scope challenge: a token with more scopes would not help",
                    sent_challenge.unwrap_or_default(),
                );
            }
        }
        ExpectedAnswer::Unavailable | ExpectedAnswer::Misconfigured => {
            if let Some(sent_challenge) = sent_challenge {
                differences.add("no challenge: signing in again would not help", sent_challenge);
            }
            if expected == ExpectedAnswer::Unavailable && answer.header("retry-after").is_none() {
                differences.add("a Retry-After header", "no Retry-After header");
            }
        }
        ExpectedAnswer::Accepted
        | ExpectedAnswer::Refused
        | ExpectedAnswer::InvalidRequest
        | ExpectedAnswer::NotProcessed
        | ExpectedAnswer::Denied => {}
    }
}

/// Returns whether the caller was told that it may not do this.
fn is_denial(answer: &Answer) -> bool {
    match answer.rpc() {
        Some(response) if response.get("result").is_some() => {
            response.pointer("/result/isError") == Some(&Value::Bool(true))
        }
        Some(_) => answer.status == 200 || answer.status.is_client_error(),
        None => answer.status == 401 || answer.status == 403,
    }
}

/// Returns whether the request was processed with status 200.
pub(crate) fn is_accepted(answer: &Answer) -> bool {
    has_result(answer) && answer.status == 200
}

/// Returns whether the answer has a JSON-RPC result, so that the request was processed.
pub(super) fn has_result(answer: &Answer) -> bool {
    answer
        .rpc()
        .is_some_and(|response| response.get("result").is_some())
}

pub(super) fn compare_status(statuses: &[u16], answer: &Answer, differences: &mut Differences) {
    if !statuses.contains(&answer.status.as_u16()) {
        differences.add(format!("status {}", either(statuses)), summary(answer));
    }
}

/// Returns the accepted statuses, or `None` for the range from 300 to 499.
fn default_statuses(expected: ExpectedAnswer) -> Option<&'static [u16]> {
    Some(match expected {
        ExpectedAnswer::Accepted => &[200],
        // Other cases judge which of these statuses is right, so that a wrong one fails only those.
        ExpectedAnswer::Refused => &[400, 401, 403],
        ExpectedAnswer::Challenged | ExpectedAnswer::InvalidToken => &[401],
        ExpectedAnswer::InvalidRequest => &[400],
        ExpectedAnswer::InsufficientScope | ExpectedAnswer::Forbidden => &[403],
        ExpectedAnswer::Unavailable => &[503],
        ExpectedAnswer::Misconfigured => &[500],
        ExpectedAnswer::NotProcessed | ExpectedAnswer::Denied => return None,
    })
}

/// Describes an expected answer with everything it requires: `rejected: 401 with a Bearer challenge`.
pub(super) fn describe(expected: ExpectedAnswer, statuses: Option<&[u16]>) -> String {
    let (word, rest) = match expected {
        ExpectedAnswer::Accepted => ("accepted", " with a JSON-RPC result, or 202 for a notification"),
        ExpectedAnswer::Refused | ExpectedAnswer::InvalidRequest => ("rejected", ""),
        ExpectedAnswer::InvalidToken | ExpectedAnswer::InsufficientScope => {
            ("rejected", " with a Bearer challenge")
        }
        ExpectedAnswer::Challenged => ("challenged", " with a Bearer challenge"),
        ExpectedAnswer::Forbidden => ("forbidden", " without an insufficient_scope challenge"),
        ExpectedAnswer::Unavailable => ("unavailable", " with Retry-After, without a challenge"),
        ExpectedAnswer::Misconfigured => ("misconfigured", " without a challenge"),
        ExpectedAnswer::NotProcessed => ("not processed", ""),
        ExpectedAnswer::Denied => {
            return "denied: 401 or 403, a JSON-RPC error, or a tool result with `isError`".to_owned();
        }
    };
    match statuses.or_else(|| default_statuses(expected)) {
        Some(statuses) => format!("{word}: {}{rest}", either(statuses)),
        None => format!("{word}: a status from 300 to 499"),
    }
}

/// Summarizes an answer in one line: `401 without a JSON-RPC response`.
pub(crate) fn summary(answer: &Answer) -> String {
    let status = answer.status.as_u16();
    match answer.rpc() {
        Some(response) => match response.pointer("/error/code") {
            Some(code) => format!("{status} with JSON-RPC error {code}"),
            None => format!("{status} with a JSON-RPC result"),
        },
        None => format!("{status} without a JSON-RPC response"),
    }
}
