//! Describes an expectation in words, for `explain`.

use super::{difference::either, expected_answer, json, matcher};
use crate::case::{
    AUTHORIZED, AUTHORIZED_AT, ChallengeExpectation, Count, Expectation, HUGE_BYTES, JsonExpectation, OTHER,
    OneOrMany, QUERY_AT,
};

/// Describes everything that is expected, one line each.
pub(crate) fn describe(expect: &Expectation) -> Vec<String> {
    let mut lines = Vec::new();
    let statuses = expect.status.as_ref().map(OneOrMany::as_slice);
    lines.extend(match expect.is {
        Some(expected) => Some(expected_answer::describe(expected, statuses)),
        None => statuses.map(|statuses| format!("status {}", either(statuses))),
    });
    if let Some(challenge) = &expect.challenge {
        describe_challenge(challenge, &mut lines);
    }
    for (name, matcher) in &expect.headers {
        lines.push(format!("the header {name} {}", matcher::describe(matcher)));
    }
    if let Some(matcher) = &expect.body {
        lines.push(format!("the body {}", matcher::describe(matcher)));
    }
    describe_json("the body", &expect.json, &mut lines);
    describe_json("the result", &expect.result, &mut lines);
    describe_json("structuredContent", &expect.structured, &mut lines);
    if !expect.structured.is_empty() {
        lines.push("the tool's text is the same JSON as structuredContent".to_owned());
    }
    if let Some(matcher) = &expect.text {
        lines.push(format!("the tool's text {}", matcher::describe(matcher)));
    }
    lines.extend(
        expect
            .tool_failed
            .map(|failed| format!("the tool's isError is {failed}")),
    );
    if let Some(error) = &expect.rpc_error {
        let codes = either(error.code.as_slice());
        lines.push(format!("a JSON-RPC error with code {codes}"));
        if let Some(matcher) = &error.message {
            lines.push(format!("the error's message {}", matcher::describe(matcher)));
        }
        describe_json("the error's data", &error.data, &mut lines);
    }
    lines.extend(
        expect
            .same_as_step
            .map(|step| format!("the same answer as in step {step}")),
    );
    lines.extend(
        expect
            .same_refusal_as_step
            .map(|step| format!("if rejected, the same answer as in step {step}")),
    );
    for (endpoint, count) in &expect.clerk_requests {
        lines.push(self::count(endpoint, *count));
    }
    lines.extend(
        expect
            .at_least
            .map(|count| format!("at least {count} such answers")),
    );
    lines
}

/// Describes a count of requests: `requests to the issuer's endpoint jwks: at most 1`.
pub(super) fn count(endpoint: &str, count: Count) -> String {
    match endpoint.trim_start_matches(OTHER) {
        AUTHORIZED => format!("requests to the issuer with an Authorization header ({endpoint}): {count}"),
        name if name.starts_with(AUTHORIZED_AT) => {
            let endpoint = name.trim_start_matches(AUTHORIZED_AT);
            format!("requests to the issuer's endpoint {endpoint} with an Authorization header: {count}")
        }
        name if name.starts_with(QUERY_AT) => {
            let endpoint = name.trim_start_matches(QUERY_AT);
            format!("requests to the issuer's endpoint {endpoint} with a query: {count}")
        }
        HUGE_BYTES => format!("bytes of huge answers that the issuer sent: {count}"),
        _ => format!("requests to the issuer's endpoint {endpoint}: {count}"),
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
        lines.push(format!("the challenge's {name} {}", matcher::describe(matcher)));
    }
    lines.extend(
        order
            .iter()
            .map(|names| format!("the challenge's parameters, in order: {}", names.join(", "))),
    );
    lines.extend(
        scopes
            .iter()
            .map(|scopes| format!("the challenge's scope contains {}", scopes.join(", "))),
    );
    if *well_formed {
        lines.push(
            "a well-formed challenge (RFC 6750 §3): every parameter once, with allowed characters, quoted \
             unless a token"
                .to_owned(),
        );
    }
}

fn describe_json(what: &str, expectations: &[JsonExpectation], lines: &mut Vec<String>) {
    lines.extend(expectations.iter().map(|expect| json::describe(what, expect)));
}
