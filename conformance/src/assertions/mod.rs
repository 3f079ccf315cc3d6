//! Compares an answer with what a case expects of it. Nothing here sends or waits.
//!
//! Everything that does not hold becomes one [`Difference`]: what was expected, and the actual value.

mod challenge;
mod context;
mod description;
mod difference;
mod earlier_answer;
mod expected_answer;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod json;
mod leaks;
mod matcher;
mod rpc;

pub(crate) use self::{
    challenge::Challenge,
    context::{Context, SentMessage, request_id},
    description::describe as describe_expectation,
    difference::Difference,
    expected_answer::{is_accepted, summary},
    matcher::{describe as describe_matcher, matches},
};
use self::{difference::Differences, expected_answer::compare_status};
use crate::{
    case::{Count, Expectation, OneOrMany},
    wire::Answer,
};

/// Returns every difference between an answer and an expectation whose placeholders are filled in.
pub(crate) fn compare(expect: &Expectation, answer: &Answer, context: &Context<'_>) -> Vec<Difference> {
    let mut differences = Differences::default();
    let statuses = expect.status.as_ref().map(OneOrMany::as_slice);
    if let Some(expected) = expect.is {
        expected_answer::compare(expected, statuses, answer, context.sent, &mut differences);
    } else if let Some(statuses) = statuses {
        compare_status(statuses, answer, &mut differences);
        if answer.status == 200 && context.sent == SentMessage::Request && answer.rpc().is_none() {
            differences.add("a JSON-RPC response", summary(answer));
        }
    }
    if let Some(challenge) = &expect.challenge {
        challenge::compare(challenge, answer, &mut differences);
    }
    for (name, matcher) in &expect.headers {
        let value = answer.header(name);
        matcher::compare_header(name, matcher, value.as_deref(), &mut differences);
    }
    if let Some(matcher) = &expect.body {
        matcher::compare("the body", matcher, Some(&answer.text()), &mut differences);
    }
    json::compare_all("the body", &expect.json, answer.json().as_ref(), &mut differences);
    rpc::compare(expect, answer, &mut differences);
    rpc::compare_id(context.id.as_ref(), answer, &mut differences);
    if let Some(step) = expect.same_as_step {
        earlier_answer::compare(step, answer, context.earlier, &mut differences);
    }
    if let Some(step) = expect.same_refusal_as_step
        && earlier_answer::is_rejection(answer)
    {
        earlier_answer::compare(step, answer, context.earlier, &mut differences);
    }
    leaks::compare(answer, context.token, &mut differences);
    differences.into_vec()
}

/// Compares the number of requests to an endpoint of Clerk with the expected number.
pub(crate) fn compare_count(endpoint: &str, count: Count, actual: u64) -> Option<Difference> {
    let enough = count.at_least.is_none_or(|least| actual >= least);
    let few = count.at_most.is_none_or(|most| actual <= most);
    (!enough || !few).then(|| Difference {
        expected: description::count(endpoint, count),
        actual: actual.to_string(),
    })
}
