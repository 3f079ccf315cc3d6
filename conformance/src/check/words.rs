//! An expectation in words, for `explain`.

use super::{json, text, verdict};
use crate::case::{ChallengeExpectation, Expectation, JsonExpectation};

/// Each thing that is expected, as a line.
pub(crate) fn describe(expect: &Expectation) -> Vec<String> {
    let mut lines = Vec::new();
    let status = expect.status.as_ref().map(|status| {
        let all: Vec<String> = status.as_slice().iter().map(ToString::to_string).collect();
        all.join(" or ")
    });
    lines.extend(match (expect.is, status) {
        (Some(verdict), Some(status)) => Some(with_status(verdict::words(verdict), &status)),
        (Some(verdict), None) => Some(verdict::words(verdict).to_owned()),
        (None, status) => status.map(|status| format!("status {status}")),
    });
    if let Some(challenge) = &expect.challenge {
        describe_challenge(challenge, &mut lines);
    }
    for (name, matcher) in &expect.headers {
        lines.push(format!("the header {name} {}", text::describe(matcher)));
    }
    if let Some(matcher) = &expect.body {
        lines.push(format!("the body {}", text::describe(matcher)));
    }
    describe_places("the body", &expect.json, &mut lines);
    describe_places("the result", &expect.result, &mut lines);
    describe_places("structuredContent", &expect.structured, &mut lines);
    if !expect.structured.is_empty() {
        lines.push("the tool's text is the same JSON as structuredContent".to_owned());
    }
    if let Some(matcher) = &expect.text {
        lines.push(format!("the tool's text {}", text::describe(matcher)));
    }
    lines.extend(
        expect
            .tool_failed
            .map(|failed| format!("the tool's isError is {failed}")),
    );
    if let Some(error) = &expect.rpc_error {
        let codes: Vec<String> = error.code.as_slice().iter().map(ToString::to_string).collect();
        lines.push(format!("a JSON-RPC error with code {}", codes.join(" or ")));
        if let Some(matcher) = &error.message {
            lines.push(format!("the error's message {}", text::describe(matcher)));
        }
        describe_places("the error's data", &error.data, &mut lines);
    }
    lines.extend(
        expect
            .same_as_step
            .map(|step| format!("the same answer as in step {step}")),
    );
    lines.extend(
        expect
            .same_refusal_as_step
            .map(|step| format!("if it is refused, the same answer as in step {step}")),
    );
    if expect.no_token {
        lines.push("no part of the token in the answer".to_owned());
    }
    for (endpoint, count) in &expect.clerk_requests {
        lines.push(format!("{count} requests to Clerk's endpoint {endpoint}"));
    }
    lines.extend(
        expect
            .at_least
            .map(|due| format!("at least {due} of the answers like that")),
    );
    lines
}

/// What a word stands for, with these statuses in place of its own: `refused: 400 or 401`.
fn with_status(words: &str, status: &str) -> String {
    let Some((word, rest)) = words.split_once(": ") else {
        return format!("{words}: status {status}");
    };
    let after = rest.trim_start_matches(|character: char| character.is_ascii_digit());
    if after == rest {
        format!("{word}: status {status}")
    } else {
        format!("{word}: {status}{after}")
    }
}

fn describe_challenge(challenge: &ChallengeExpectation, lines: &mut Vec<String>) {
    let ChallengeExpectation {
        absent,
        parameters,
        order,
        scopes,
        well_formed,
    } = challenge;
    if *absent {
        lines.push("no WWW-Authenticate".to_owned());
    }
    for (name, matcher) in parameters {
        lines.push(format!("the challenge's {name} {}", text::describe(matcher)));
    }
    lines.extend(
        order
            .iter()
            .map(|names| format!("the challenge's parameters, in order: {}", names.join(", "))),
    );
    lines.extend(
        scopes
            .iter()
            .map(|scopes| format!("the challenge's scope has {}", scopes.join(", "))),
    );
    if *well_formed {
        lines.push(
            "a well-formed challenge (RFC 6750 §3): parameters once, with allowed characters, quoted unless tokens"
                .to_owned(),
        );
    }
}

fn describe_places(what: &str, places: &[JsonExpectation], lines: &mut Vec<String>) {
    for place in places {
        let at = match place.at.as_str() {
            "" => what.to_owned(),
            at => format!("{what} at {at}"),
        };
        lines.push(format!("{at} {}", json::describe(place)));
    }
}
