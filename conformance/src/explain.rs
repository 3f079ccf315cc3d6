//! One case, explained: what is required, where it is written, why it matters, what would be sent, what is expected.

use std::fmt::Write as _;

use crate::{
    case::{Case, ClerkAction, Step},
    check,
    results::Section,
    runner,
    spec::Reference,
};

/// The case as text, for people.
pub fn explain(section: &Section, case: &Case) -> String {
    let mut text = format!(
        "{}\n{}, section {} {}\n\n{}\n\nWhy: {}\n\nWritten in:\n",
        case.id,
        case.level.name(),
        section.number,
        section.title,
        case.requirement,
        case.why,
    );
    for reference in case.refs.iter().filter_map(|key| Reference::find(key)) {
        let address = reference
            .url
            .map(|url| format!("\n    {url}"))
            .unwrap_or_default();
        line(&mut text, &format!("  {}{address}", reference.title));
    }
    if !case.needs.is_empty() {
        line(
            &mut text,
            &format!("\nApplies to targets that offer: {}", case.needs.join(", ")),
        );
    }
    if !case.unless.is_empty() {
        line(
            &mut text,
            &format!(
                "\nDoes not apply to targets that offer: {}",
                case.unless.join(", ")
            ),
        );
    }
    if case.needs_own_target() {
        line(
            &mut text,
            "\nThe suite starts a target and a Clerk for this case alone.",
        );
        for (setting, value) in case.own.iter().flatten() {
            line(&mut text, &format!("  setting {setting} = {value:?}"));
        }
        for (name, value) in &case.instead {
            line(&mut text, &format!("  {name} = {value:?} instead of Clerk's"));
        }
        for action in &case.before {
            line(
                &mut text,
                &format!("  before it starts: {}", describe_action(action)),
            );
        }
    }
    if let Some(start) = &case.refuses_to_start {
        for value in &start.without {
            line(&mut text, &format!("  without {value}"));
        }
        line(
            &mut text,
            &format!("\nExpected: it does not start, and exits with {}", start.exit),
        );
        for matcher in &start.output {
            line(
                &mut text,
                &format!("  what it prints {}", check::describe(matcher)),
            );
        }
        return text;
    }
    let steps = case.steps();
    for (position, step) in steps.iter().enumerate() {
        if steps.len() > 1 {
            line(&mut text, &format!("\nStep {}", position + 1));
        }
        describe_step(&mut text, step);
    }
    text
}

fn describe_step(text: &mut String, step: &Step) {
    for action in &step.clerk {
        line(text, &format!("\nFirst, Clerk: {}", describe_action(action)));
    }
    if let Some(pauses) = &step.pause {
        let longest = pauses.as_slice().join(" or ");
        let more = if pauses.as_slice().len() > 1 {
            ", whichever is longer"
        } else {
            ""
        };
        line(text, &format!("\nFirst, wait {longest}{more}."));
    }
    if let Some(spec) = &step.token {
        let spec = serde_json::to_string(spec).unwrap_or_default();
        line(
            text,
            &format!("\n{{token}} is what this makes:\n  clerk-mcp-conformance mint '{spec}'"),
        );
    }
    if let Some(earlier) = step.token_of_step {
        line(text, &format!("\n{{token}} is that of step {earlier}."));
    }
    if let Some(earlier) = step.session_of_step {
        line(text, &format!("\nMcp-Session-Id is that of step {earlier}."));
    }
    let repeated = match (step.send.times, step.send.at_once) {
        (Some(times), true) => format!(", {times} times at once"),
        (Some(times), false) => format!(", {times} times"),
        (None, _) => String::new(),
    };
    line(text, &format!("\nSent{repeated}:"));
    match runner::request_as_text(step) {
        Ok(request) => {
            for part in request.lines() {
                line(text, &format!("  {part}"));
            }
        }
        Err(error) => line(text, &format!("  {error}")),
    }
    if let Some(path) = &step.send.or_path {
        line(
            text,
            &format!("\nWhere the answer is 404, sent to {path} instead."),
        );
    }
    let limit = match &step.limit {
        Some(limit) => format!(" within {limit}"),
        None => String::new(),
    };
    line(text, &format!("\nExpected{limit}:"));
    for expected in check::words::describe(&step.expect) {
        line(text, &format!("  {expected}"));
    }
}

fn describe_action(action: &ClerkAction) -> String {
    let body = action
        .with
        .as_ref()
        .map(|with| format!(" {}", serde_json::Value::Object(with.clone())))
        .unwrap_or_default();
    let times = action
        .times
        .map(|times| format!(", {times} times"))
        .unwrap_or_default();
    format!("{}{body}{times}", action.operation)
}

fn line(text: &mut String, content: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{content}");
}
