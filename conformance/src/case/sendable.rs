//! What a case asks for must be something that HTTP, and the local Clerk, can do: else the mistake is the case's, and is
//! said where it is written.

use http::{HeaderName, HeaderValue, Method, Uri};
use regex::Regex;

use super::{ClerkAction, Step};
use local_clerk::is_operation;

/// Whether the request of a step can be made.
pub(super) fn check_request(step: &Step) -> Result<(), String> {
    let send = &step.send;
    if let Some(method) = &send.method
        && Method::from_bytes(method.as_bytes()).is_err()
    {
        return Err(format!("{method:?} is no method"));
    }
    for path in send.path.iter().chain(&send.or_path) {
        if Uri::try_from(filled(path)).is_err() {
            return Err(format!("{path:?} is no path"));
        }
    }
    for (name, value) in &send.headers {
        if HeaderName::try_from(name).is_err() {
            return Err(format!("{name:?} is no name of a header"));
        }
        check_value(name, value)?;
    }
    for value in step.authorization.iter().flatten() {
        check_value("Authorization", value)?;
    }
    Ok(())
}

/// Whether the local Clerk has such an operation.
pub(super) fn check_action(action: &ClerkAction) -> Result<(), String> {
    let operation = &action.operation;
    match operation.split_once(' ') {
        Some((method, path)) if is_operation(method, path) => Ok(()),
        _ => Err(format!(
            "{operation:?} is no operation of the local Clerk: GET /admin lists them"
        )),
    }
}

fn check_value(name: &str, value: &str) -> Result<(), String> {
    match HeaderValue::from_bytes(value.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("the header {name} cannot be {value:?}")),
    }
}

/// With something in place of what only a run knows; a path may begin with it.
fn filled(path: &str) -> String {
    match Regex::new(r"\{[a-z][a-z0-9_.-]*\}") {
        Ok(placeholder) if path.starts_with('{') => placeholder.replace(path, "/x").into_owned(),
        Ok(placeholder) => placeholder.replace_all(path, "x").into_owned(),
        Err(_) => path.to_owned(),
    }
}
