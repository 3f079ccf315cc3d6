//! Explains one case: its requirement, references and reason, what would be sent, and what is expected.

use local_clerk::mint::TokenSpec;
use serde_json::Value;
use textwrap::{Options, WordSplitter};

use crate::{
    assertions::{describe_expectation, describe_matcher},
    case::{Case, ClerkAction, Section, Step},
    profile::Profile,
    report::excerpt,
    runner::{self, Control},
    spec::Reference,
};

/// Explains a case as it is sent to a target of this profile. Lines with commands and URLs are not wrapped,
/// and may exceed the width.
pub fn explain(section: &Section, case: &Case, profile: &Profile, width: usize) -> String {
    let mut text = describe(section, case, profile).join("\n");
    if has_placeholders(&text) {
        text += "\n\nPlaceholders in braces have a value only during a run: the target's address, ids.";
    }
    wrapped(&text, width)
}

fn describe(section: &Section, case: &Case, profile: &Profile) -> Vec<String> {
    let mut lines = vec![
        case.id.clone(),
        format!(
            "{}, section {} {}",
            case.level.name(),
            section.number,
            section.title
        ),
        format!("\n{}", case.requirement),
        format!("\nWhy: {}", case.why),
        "\nReferences:".to_owned(),
    ];
    for reference in case.refs.iter().filter_map(|key| Reference::find(key)) {
        lines.push(format!("  {}", reference.title));
        lines.extend(reference.url.map(|url| format!("    {url}")));
    }
    if !case.needs.is_empty() {
        let needs = case.needs.join(", ");
        lines.push(format!("\nApplies to targets that offer: {needs}"));
    }
    if !case.unless.is_empty() {
        let unless = case.unless.join(", ");
        lines.push(format!("\nDoes not apply to targets that offer: {unless}"));
    }
    if case.needs_own_target() {
        lines.push("\nThe suite starts a target and a local Clerk for this case alone.".to_owned());
        let settings = case.own.iter().flatten();
        lines.extend(settings.map(|(setting, value)| format!("  setting {setting} = {value:?}")));
        let values = case.instead.iter();
        lines.extend(values.map(|(name, value)| format!("  {name} = {value:?} instead of Clerk's value")));
        for action in &case.before {
            lines.push(format!("  before the target starts: {}", describe_action(action)));
        }
    }
    if let Some(start) = &case.refuses_to_start {
        lines.extend(start.without.iter().map(|value| format!("  without {value}")));
        lines.push(format!(
            "\nExpected: the target does not start and exits with {}",
            start.exit
        ));
        for matcher in &start.output {
            lines.push(format!("  the output {}", describe_matcher(matcher)));
        }
        return lines;
    }
    let steps = case.steps();
    for (position, step) in steps.iter().enumerate() {
        if steps.len() > 1 {
            lines.push(format!("\nStep {}", position + 1));
        }
        lines.extend(describe_step(&runner::step_for(step, profile), profile));
    }
    lines
}

fn describe_step(step: &Step, profile: &Profile) -> Vec<String> {
    let mut lines = Vec::new();
    for action in &step.clerk {
        let action = describe_action(action);
        lines.push(format!("\nBefore the request, call Clerk's admin API: {action}"));
    }
    if let Some(pauses) = &step.pause {
        let pause = match pauses.as_slice() {
            [pause] => pause.clone(),
            pauses => format!("{}, whichever is longer", pauses.join(" or ")),
        };
        lines.push(format!("\nBefore the request, wait {pause}."));
    }
    if let Some(spec) = &step.token {
        lines.push("\n{token} is the token that this command mints:".to_owned());
        lines.push(mint_command(&runner::token_for(spec, profile)));
        if let Some(Control { spec, on_same_target }) = runner::control_for(step, profile) {
            let condition = if on_same_target {
                "\nThe rejection counts only if the target accepts this token without damage:"
            } else {
                "\nThe answer counts only if a target without faults accepts this token:"
            };
            lines.push(condition.to_owned());
            lines.push(mint_command(&spec));
        }
    }
    if let Some(earlier) = step.token_of_step {
        let damaged = if step.damage.is_empty() {
            String::new()
        } else {
            format!(", damaged: {}", serde_json::json!(step.damage))
        };
        lines.push(format!("\n{{token}} is the token of step {earlier}{damaged}."));
    }
    if let Some(earlier) = step.session_of_step {
        lines.push(format!(
            "\nMcp-Session-Id is the session id from the answer of step {earlier}."
        ));
    }
    let times = match (step.send.times, step.send.at_once) {
        (Some(times), true) => format!(", {times} times at once"),
        (Some(times), false) => format!(", {times} times"),
        (None, _) => String::new(),
    };
    let users = match step.send.users.as_slice() {
        [] => String::new(),
        users => format!(" as {} in turn", users.join(", ")),
    };
    lines.push(format!("\nSent{users}{times}:"));
    match runner::request_as_text(step, profile) {
        Ok(request) => lines.extend(excerpt(&request).lines().map(|line| format!("  {line}"))),
        Err(error) => lines.push(format!("  {error}")),
    }
    if let Some(path) = &step.send.or_path {
        lines.push(format!("\nIf the answer is 404, sent to {path} instead."));
    }
    if let Some(first) = &step.after {
        lines.push("\nSent first, on the same connection: `initialize` with this token:".to_owned());
        lines.push(mint_command(&runner::token_for(first, profile)));
    }
    if let Some(other) = &step.beside {
        lines.push("\nSent at the same time: the same request with this token:".to_owned());
        lines.push(mint_command(&runner::token_for(other, profile)));
    }
    if step.send.http2 {
        lines.push("\nSent over HTTP/2 without TLS, if the target speaks it.".to_owned());
    }
    if let Some(waiting) = &step.meanwhile {
        lines.push("\nSent first, without waiting for the answer: `initialize` with this token:".to_owned());
        lines.push(mint_command(&runner::token_for(waiting, profile)));
    }
    lines.push(match step.limit.as_ref().or(step.deadline.as_ref()) {
        Some(limit) => format!("\nExpected within {limit}:"),
        None => "\nExpected:".to_owned(),
    });
    let expected = describe_expectation(&step.expect).into_iter();
    lines.extend(expected.map(|expected| format!("  {expected}")));
    lines
}

/// Returns the command that mints a token.
fn mint_command(spec: &TokenSpec) -> String {
    let spec = serde_json::to_string(spec).unwrap_or_default();
    format!("  clerk-mcp-conformance mint '{}'", spec.replace('\'', r"'\''"))
}

fn describe_action(action: &ClerkAction) -> String {
    let body = action
        .with
        .clone()
        .map(|body| format!(" {}", Value::Object(body)));
    let times = action.times.map(|times| format!(", {times} times"));
    [Some(action.operation.clone()), body, times]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns whether the text has placeholders other than `{token}`.
fn has_placeholders(text: &str) -> bool {
    let mut parts = text.split('{').skip(1);
    parts.any(|part| {
        let name = part.split('}').next().unwrap_or_default();
        let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .chars()
                .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || "_.-".contains(one));
        is_name && name.len() < part.len() && name != "token"
    })
}

/// Wraps lines at the width, with a hanging indent. Leaves lines for copying as they are.
fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let content = line.trim_start();
        let is_copied = ["clerk-mcp-conformance ", "http"]
            .iter()
            .any(|start| content.starts_with(start));
        if is_copied || content.is_empty() {
            out.extend([line.trim_end(), "\n"]);
            continue;
        }
        let indent = " ".repeat(line.len() - content.len());
        let hanging = format!("{indent}  ");
        let options = Options::new(width.max(20))
            .initial_indent(&indent)
            .subsequent_indent(if indent.is_empty() { "" } else { &hanging })
            .word_splitter(WordSplitter::NoHyphenation);
        for row in textwrap::wrap(content, options) {
            out.extend([row.trim_end(), "\n"]);
        }
    }
    out
}
