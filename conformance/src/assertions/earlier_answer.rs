//! Compares an answer with the answer of an earlier step.

use super::{difference::Differences, expected_answer::has_result};
use crate::wire::Answer;

/// Words in the names of headers whose values differ between equal answers, or follow from the body.
const VARYING_HEADERS: [&str; 18] = [
    "id",
    "trace",
    "traceparent",
    "tracestate",
    "date",
    "time",
    "timing",
    "runtime",
    "ratelimit",
    "limit",
    "remaining",
    "reset",
    "age",
    "after",
    "ray",
    "cookie",
    "length",
    "etag",
];

/// Compares the answer with the answer of an earlier step (from 1). Does nothing if that step has no answer.
pub(super) fn compare(step: usize, answer: &Answer, earlier: &[Answer], differences: &mut Differences) {
    let Some(earlier) = step.checked_sub(1).and_then(|index| earlier.get(index)) else {
        return;
    };
    let (expected, actual) = (observable(earlier), observable(answer));
    if expected != actual {
        differences.add(format!("the same answer as in step {step}: {expected}"), actual);
    }
}

/// Returns whether the answer rejects the request.
pub(super) fn is_rejection(answer: &Answer) -> bool {
    !answer.status.is_success() && !has_result(answer)
}

/// Returns everything that lets a client distinguish two answers. Headers count only in rejections: others
/// have caching and similar headers that may differ.
fn observable(answer: &Answer) -> String {
    let status = answer.status.as_u16();
    let body = match answer.rpc() {
        // Compares the message alone, for the events of a stream have ids of their own.
        Some(message) => message.to_string(),
        None => answer.text(),
    };
    if !is_rejection(answer) {
        return format!("{status}, body {body}");
    }
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| {
            let mut words = name.as_str().split('-');
            !words.any(|word| VARYING_HEADERS.contains(&word))
        })
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort();
    format!("{status}, {}, body {body}", headers.join(", "))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: all,
            body: body.as_bytes().to_vec(),
        }
    }

    fn is_same(earlier: Answer, answer: &Answer) -> bool {
        let mut differences = Differences::default();
        compare(1, answer, &[earlier], &mut differences);
        differences.len() == 0
    }

    #[test]
    fn rejections_with_different_headers_differ() {
        let rejected = |reason| answer(401, &[("x-clerk-auth-message", reason)], "");
        assert!(is_same(rejected("a"), &rejected("a")));
        assert!(!is_same(rejected("signature"), &rejected("issuer")));
    }

    #[test]
    fn varying_headers_are_ignored() {
        for name in ["date", "x-request-id", "x-ratelimit-remaining", "cf-ray"] {
            assert!(
                is_same(answer(401, &[(name, "1")], ""), &answer(401, &[(name, "2")], "")),
                "{name}"
            );
        }
        let cached = |age| answer(200, &[("cache-control", age)], "{}");
        assert!(is_same(cached("max-age=60"), &cached("max-age=59")));
    }

    #[test]
    fn event_ids_are_ignored() {
        let stream = |id| {
            let body = format!("id: {id}\ndata: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{}}}}\n\n");
            answer(200, &[("content-type", "text/event-stream")], &body)
        };
        assert!(is_same(stream("0_1"), &stream("0_2")));
    }
}
