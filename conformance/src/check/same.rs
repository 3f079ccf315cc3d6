use super::{Context, Difference};
use crate::wire::Answer;

/// Words in the names of headers that are others with each answer, or follow from the body.
const CHANGING: [&str; 18] = [
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

/// The answer against that of an earlier step.
pub(super) fn check(step: usize, answer: &Answer, context: &Context<'_>, differences: &mut Vec<Difference>) {
    let Some(earlier) = step.checked_sub(1).and_then(|index| context.earlier.get(index)) else {
        return;
    };
    let (due, came) = (seen(earlier), seen(answer));
    if due != came {
        differences.push(Difference::new(format!("as in step {step}: {due}"), came));
    }
}

pub(super) fn is_refusal(answer: &Answer) -> bool {
    let processed = answer
        .rpc()
        .is_some_and(|message| message.get("result").is_some());
    !answer.status.is_success() && !processed
}

/// All that a caller can tell answers apart by. The headers of what was not refused say how it may be kept, and such things.
fn seen(answer: &Answer) -> String {
    let status = answer.status.as_u16();
    let body = match answer.rpc() {
        // As a message: the events of a stream have numbers of their own.
        Some(message) => message.to_string(),
        None => answer.text(),
    };
    if !is_refusal(answer) {
        return format!("{status}, body {body}");
    }
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !name.as_str().split('-').any(|word| CHANGING.contains(&word)))
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort();
    format!("{status}, {}, body {body}", headers.join(", "))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::*;
    use crate::check::Sent;

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

    fn alike(one: Answer, other: &Answer) -> bool {
        let mut differences = Vec::new();
        let context = Context {
            earlier: &[one],
            token: None,
            sent: Sent::Other,
        };
        check(1, other, &context, &mut differences);
        differences.is_empty()
    }

    #[test]
    fn a_header_tells_refusals_apart() {
        let refused = |reason| answer(401, &[("x-clerk-auth-message", reason)], "");
        assert!(alike(refused("a"), &refused("a")));
        assert!(!alike(refused("signature"), &refused("issuer")));
    }

    #[test]
    fn what_is_another_each_time_does_not() {
        for name in ["date", "x-request-id", "x-ratelimit-remaining", "cf-ray"] {
            assert!(
                alike(answer(401, &[(name, "1")], ""), &answer(401, &[(name, "2")], "")),
                "{name}"
            );
        }
        let kept = |age| answer(200, &[("cache-control", age)], "{}");
        assert!(alike(kept("max-age=60"), &kept("max-age=59")));
    }

    #[test]
    fn messages_are_compared_and_not_events() {
        let stream = |id| {
            let body = format!("id: {id}\ndata: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{}}}}\n\n");
            answer(200, &[("content-type", "text/event-stream")], &body)
        };
        assert!(alike(stream("0_1"), &stream("0_2")));
    }
}
