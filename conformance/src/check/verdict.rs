use super::{Difference, Sent, challenge::Challenge};
use crate::{case::Verdict, wire::Answer};

/// The answer against a word for its kind. `status` replaces the statuses that the word stands for.
pub(super) fn check(
    verdict: Verdict,
    status: Option<&[u16]>,
    answer: &Answer,
    sent: Sent,
    differences: &mut Vec<Difference>,
) {
    if verdict == Verdict::Accepted {
        if !(is_accepted(answer) || sent == Sent::Notification && answer.status == 202) {
            differences.push(Difference::new(
                "accepted: 200 with a JSON-RPC result",
                describe(answer),
            ));
        }
        return;
    }
    if answer
        .rpc()
        .is_some_and(|message| message.get("result").is_some())
    {
        differences.push(Difference::new(
            format!("nothing is processed ({})", words(verdict)),
            describe(answer),
        ));
        return;
    }
    match status.or_else(|| statuses(verdict)) {
        Some(accepted) => check_status(accepted, answer, differences),
        None if (300..500).contains(&answer.status.as_u16()) => {}
        None => differences.push(Difference::new("a status from 300 to 499", describe(answer))),
    }
    match verdict {
        Verdict::Challenged | Verdict::InvalidToken | Verdict::InsufficientScope => {
            // RFC 6750 §3: the header is a MUST; what is in it beside the scheme is not.
            Challenge::required(answer, differences);
        }
        Verdict::Forbidden => {
            let insufficient = Challenge::of(answer)
                .is_some_and(|challenge| challenge.get("error") == Some("insufficient_scope"));
            due(answer, differences)(
                !insufficient,
                "no challenge of insufficient_scope: another token would not help",
            );
        }
        Verdict::Unavailable => {
            due(answer, differences)(
                answer.header("www-authenticate").is_none(),
                "no challenge: signing in again would not help",
            );
            if answer.header("retry-after").is_none() {
                differences.push(Difference::new("a header Retry-After", "none"));
            }
        }
        Verdict::Misconfigured => {
            due(answer, differences)(
                answer.header("www-authenticate").is_none(),
                "no challenge: signing in again would not help",
            );
        }
        Verdict::Accepted | Verdict::Refused | Verdict::InvalidRequest | Verdict::NotProcessed => {}
    }
}

/// Whether the request was processed.
pub(crate) fn is_accepted(answer: &Answer) -> bool {
    let processed = answer
        .rpc()
        .is_some_and(|message| message.get("result").is_some());
    processed && answer.status == 200
}

/// Notes what must hold of the challenge and does not.
fn due<'a>(answer: &'a Answer, differences: &'a mut Vec<Difference>) -> impl FnMut(bool, &str) + 'a {
    move |holds, expected| {
        if !holds {
            differences.push(Difference::new(expected, shown(answer)));
        }
    }
}

pub(super) fn check_status(accepted: &[u16], answer: &Answer, differences: &mut Vec<Difference>) {
    if !accepted.contains(&answer.status.as_u16()) {
        let all: Vec<String> = accepted.iter().map(ToString::to_string).collect();
        differences.push(Difference::new(
            format!("status {}", all.join(" or ")),
            describe(answer),
        ));
    }
}

/// The statuses that a word stands for; `None` for a range.
fn statuses(verdict: Verdict) -> Option<&'static [u16]> {
    Some(match verdict {
        Verdict::Accepted => &[200, 202],
        Verdict::Refused | Verdict::Challenged | Verdict::InvalidToken => &[401],
        Verdict::InvalidRequest => &[400],
        Verdict::InsufficientScope | Verdict::Forbidden => &[403],
        Verdict::Unavailable => &[503],
        Verdict::Misconfigured => &[500],
        Verdict::NotProcessed => return None,
    })
}

/// The whole of what a word asks for, for people.
pub(super) fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted: 200 with a JSON-RPC result, or 202 for a notification",
        Verdict::Refused => "refused: 401",
        Verdict::Challenged => "challenged: 401 with a Bearer challenge",
        Verdict::InvalidToken => "refused: 401 with a Bearer challenge",
        Verdict::InvalidRequest => "refused: 400",
        Verdict::InsufficientScope => "refused: 403 with a Bearer challenge",
        Verdict::Forbidden => "forbidden: 403, without a challenge of insufficient_scope",
        Verdict::Unavailable => "unavailable: 503 with Retry-After, without a challenge",
        Verdict::Misconfigured => "misconfigured: 500, without a challenge",
        Verdict::NotProcessed => "not processed: a status from 300 to 499",
    }
}

/// The answer in a line.
pub(crate) fn describe(answer: &Answer) -> String {
    let status = answer.status.as_u16();
    match answer.rpc() {
        Some(message) => match message.pointer("/error/code") {
            Some(code) => format!("{status} with JSON-RPC error {code}"),
            None => format!("{status} with a JSON-RPC result"),
        },
        None => format!("{status} without a JSON-RPC response"),
    }
}

fn shown(answer: &Answer) -> String {
    match answer.header("www-authenticate") {
        Some(value) => format!("WWW-Authenticate: {value}"),
        None => "no WWW-Authenticate".to_owned(),
    }
}
