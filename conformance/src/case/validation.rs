//! Validates cases beyond what their types say: names must exist, requests must be possible in HTTP, and
//! actions in the local Clerk. Otherwise a typo in a case would look like a fault of the target.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, Method, Uri};
use local_clerk::is_operation;
use regex::Regex;

use super::{Case, ClerkAction, Expectation, Matcher, OneOrMany, Section, Step, endpoints};
use crate::{
    spec::Reference,
    vocabulary::{INTERVALS, duration, is_option_or_kind, is_setting},
};

/// Validates a case.
///
/// # Errors
/// A sentence that describes the problem.
pub(super) fn validate(section: &Section, case: &Case) -> Result<(), String> {
    let words = case
        .id
        .strip_prefix(&section.key)
        .and_then(|rest| rest.strip_prefix('.'));
    let is_well_formed = |words: &str| {
        !words.is_empty()
            && words
                .chars()
                .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || "-.".contains(one))
    };
    if !words.is_some_and(is_well_formed) {
        return Err(format!(
            "ids of this section are \"{}.\" followed by lowercase letters, digits, hyphens and dots",
            section.key
        ));
    }
    if !case.requirement.ends_with('.') || !case.why.ends_with(['.', '?', ')']) {
        return Err("requirement and why must be sentences".to_owned());
    }
    if case.refs.is_empty() {
        return Err("refs is empty: cite at least one entry of the table of references".to_owned());
    }
    if let Some(unknown) = case.refs.iter().find(|key| Reference::find(key).is_none()) {
        return Err(format!(
            "{unknown:?} is not in the table of references (list --references)"
        ));
    }
    let mut options = case.needs.iter().chain(&case.unless);
    if let Some(unknown) = options.find(|option| !is_option_or_kind(option)) {
        return Err(format!(
            "{unknown:?} is not an option of profiles (list --options)"
        ));
    }
    let mut settings = case.own.iter().flat_map(BTreeMap::keys);
    if let Some(unknown) = settings.find(|setting| !is_setting(setting)) {
        return Err(format!(
            "{unknown:?} is not a setting of profiles (list --settings)"
        ));
    }
    if !case.steps.is_empty() && case.has_single_step() {
        return Err("token, authorization, send and expect belong to its steps".to_owned());
    }
    if case.refuses_to_start.is_some() && (!case.steps.is_empty() || case.has_single_step()) {
        return Err("a target that does not start cannot be sent requests".to_owned());
    }
    let changes_clerk = !case.before.is_empty() || !case.instead.is_empty();
    if changes_clerk && !case.needs_own_target() {
        return Err("the case changes Clerk, so it needs its own target: own = {}".to_owned());
    }
    case.before.iter().try_for_each(validate_action)?;
    for (position, step) in case.steps().iter().enumerate() {
        let number = position + 1;
        validate_step(case, position, step).map_err(|message| format!("step {number}: {message}"))?;
    }
    Ok(())
}

fn validate_step(case: &Case, position: usize, step: &Step) -> Result<(), String> {
    let Expectation {
        clerk_requests,
        same_as_step,
        same_refusal_as_step,
        ..
    } = &step.expect;
    if case.refuses_to_start.is_none() && step.expect == Expectation::default() {
        return Err("the step expects nothing, so it cannot fail".to_owned());
    }
    if (!step.clerk.is_empty() || !clerk_requests.is_empty() || step.meanwhile.is_some())
        && !case.needs_own_target()
    {
        return Err(
            "the step changes Clerk or counts requests, so the case needs its own target: own = {}"
                .to_owned(),
        );
    }
    if let Some(unknown) = clerk_requests
        .keys()
        .find(|name| !endpoints(name).all(|(_, one)| super::is_counter(one)))
    {
        return Err(format!("{unknown:?} is not an endpoint of Clerk"));
    }
    if !step.damage.is_empty() && step.token_of_step.is_none() {
        return Err(
            "damage needs token_of_step. A token of the step itself has damage of its own".to_owned(),
        );
    }
    let earlier = [
        step.token_of_step,
        step.session_of_step,
        *same_as_step,
        *same_refusal_as_step,
    ];
    for earlier in earlier.into_iter().flatten() {
        if earlier == 0 || earlier > position {
            return Err(format!("step {earlier} is not an earlier step"));
        }
    }
    let pauses = step.pause.iter().flat_map(OneOrMany::as_slice);
    let mut durations = pauses
        .filter(|pause| !INTERVALS.contains(&pause.as_str()))
        .chain(&step.limit)
        .chain(&step.deadline);
    if !step.send.users.is_empty() && step.token.is_none() {
        return Err("users need a token".to_owned());
    }
    if let Some(invalid) = durations.find(|text| duration(text).is_none()) {
        return Err(format!("{invalid:?} is not a duration such as 1s or 500ms"));
    }
    step.clerk.iter().try_for_each(validate_action)?;
    validate_request(step)?;
    let send = &step.send;
    let contents = [
        send.message.is_some(),
        send.call.is_some(),
        send.body.is_some(),
        send.body_bytes.is_some(),
        send.declared_bytes.is_some(),
    ];
    if contents.iter().filter(|is_given| **is_given).count() > 1 {
        return Err("message, call, body, body_bytes and declared_bytes exclude each other".to_owned());
    }
    patterns(&step.expect).try_for_each(|pattern| match Regex::new(pattern) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{pattern:?} is not a regular expression: {error}")),
    })
}

/// Returns every regular expression of an expectation.
fn patterns(expect: &Expectation) -> impl Iterator<Item = &str> {
    let challenge = expect
        .challenge
        .iter()
        .flat_map(|challenge| challenge.parameters.values());
    let matchers = expect
        .headers
        .values()
        .chain(&expect.body)
        .chain(&expect.text)
        .chain(challenge)
        .chain(expect.rpc_error.iter().filter_map(|error| error.message.as_ref()));
    let json = expect.json.iter().chain(&expect.result).chain(&expect.structured);
    let json = json.chain(expect.rpc_error.iter().flat_map(|error| &error.data));
    let patterns = matchers.filter_map(|Matcher { matches, .. }| matches.as_deref());
    patterns.chain(json.filter_map(|expect| expect.matches.as_deref()))
}

/// Checks that HTTP can express the request of a step.
fn validate_request(step: &Step) -> Result<(), String> {
    let send = &step.send;
    if let Some(method) = &send.method
        && Method::from_bytes(method.as_bytes()).is_err()
    {
        return Err(format!("{method:?} is not an HTTP method"));
    }
    for path in send.path.iter().chain(&send.or_path) {
        if Uri::try_from(with_sample_values(path)).is_err() {
            return Err(format!("{path:?} is not a path"));
        }
    }
    for (name, value) in send.headers.iter().chain(&send.append) {
        if HeaderName::try_from(name).is_err() {
            return Err(format!("{name:?} is not a header name"));
        }
        validate_header_value(name, value)?;
    }
    for value in step.authorization.iter().flatten() {
        validate_header_value("Authorization", value)?;
    }
    Ok(())
}

fn validate_header_value(name: &str, value: &str) -> Result<(), String> {
    match HeaderValue::from_bytes(value.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("the header {name} cannot have the value {value:?}")),
    }
}

/// Replaces the placeholders of a path, which may begin with one.
fn with_sample_values(path: &str) -> String {
    match Regex::new(r"\{[a-z][a-z0-9_.-]*\}") {
        Ok(placeholder) if path.starts_with('{') => placeholder.replace(path, "/x").into_owned(),
        Ok(placeholder) => placeholder.replace_all(path, "x").into_owned(),
        Err(_) => path.to_owned(),
    }
}

/// Checks that the local Clerk has the operation.
fn validate_action(action: &ClerkAction) -> Result<(), String> {
    let operation = &action.operation;
    match operation.split_once(' ') {
        Some((method, path)) if is_operation(method, path) => Ok(()),
        _ => Err(format!(
            "{operation:?} is not an operation of the local Clerk: GET /admin lists them"
        )),
    }
}
