//! One case, explained: what is required, where it is written, why it matters, what would be sent, what is expected.

use std::fmt::Write as _;

use textwrap::{Options, WordSplitter};

use crate::{
    assertions,
    case::{Case, ClerkAction, Step},
    profile::Profile,
    report::excerpt,
    results::Section,
    runner::{self, Control},
    spec::Reference,
};
use local_clerk::mint::TokenSpec;

/// The case as text, for people: what is sent is what a target of this profile gets. Commands and addresses are never
/// broken, and may be longer than the width.
pub fn explain(section: &Section, case: &Case, profile: &Profile, width: usize) -> String {
    let mut text = describe(section, case, profile);
    if names_what_a_run_knows(&text) {
        line(
            &mut text,
            "\nIn braces are the names of what only a run knows: the target's address, ids.",
        );
    }
    wrapped(&text, width)
}

fn describe(section: &Section, case: &Case, profile: &Profile) -> String {
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
                &format!("  what it prints {}", assertions::describe_matcher(matcher)),
            );
        }
        return text;
    }
    let steps = case.steps();
    for (position, step) in steps.iter().enumerate() {
        if steps.len() > 1 {
            line(&mut text, &format!("\nStep {}", position + 1));
        }
        describe_step(&mut text, &runner::step_for(step, profile), profile);
    }
    text
}

fn describe_step(text: &mut String, step: &Step, profile: &Profile) {
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
        line(text, "\n{token} is what this makes:");
        line(text, &mint(&runner::token_for(spec, profile)));
        if let Some(Control { spec, on_same_target }) = runner::control_for(step, profile) {
            let condition = if on_same_target {
                "\nThe rejection counts only if the target accepts this token without damage:"
            } else {
                "\nThe answer counts only if a target without faults accepts this token:"
            };
            line(text, condition);
            line(text, &mint(&spec));
        }
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
    match runner::request_as_text(step, profile) {
        Ok(request) => {
            for part in excerpt(&request).lines() {
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
    for expected in assertions::describe_expectation(&step.expect) {
        line(text, &format!("  {expected}"));
    }
}

/// The line that makes a token.
fn mint(spec: &TokenSpec) -> String {
    let spec = serde_json::to_string(spec).unwrap_or_default();
    format!("  clerk-mcp-conformance mint '{}'", spec.replace('\'', r"'\''"))
}

/// Whether there are names in braces besides that of the token.
fn names_what_a_run_knows(text: &str) -> bool {
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

/// Each line in the width, what goes over it further to the right; but for what is copied.
fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    for part in text.lines() {
        let content = part.trim_start();
        let is_copied = ["clerk-mcp-conformance ", "http"]
            .iter()
            .any(|start| content.starts_with(start));
        if is_copied || content.is_empty() {
            line(&mut out, part.trim_end());
            continue;
        }
        let indent = " ".repeat(part.len() - content.len());
        let further = format!("{indent}  ");
        let next = if indent.is_empty() { "" } else { further.as_str() };
        let options = Options::new(width.max(20))
            .initial_indent(&indent)
            .subsequent_indent(next)
            .word_splitter(WordSplitter::NoHyphenation);
        for row in textwrap::wrap(content, options) {
            line(&mut out, row.trim_end());
        }
    }
    out
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
