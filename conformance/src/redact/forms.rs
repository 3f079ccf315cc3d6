//! What looks like a token or a secret by its form, or by the name beside it.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    names::{Telling, is_harmless, is_placeholder, telling},
    random::looks_random,
};

/// A pattern, and what of it may be a secret: `name` and `value` where it has them, else all of it.
struct Form {
    pattern: Regex,
    is_secret: IsSecret,
}

/// Whether the value beside such a name is one.
type IsSecret = fn(name: &str, value: &str) -> bool;

/// A value in quotes or without, as shells, JSON, TOML, YAML and the languages write it.
const QUOTED: &str = r#"'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|\\+"[^"\n]*""#;

/// What is a token or key wherever it stands.
static TOKENS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    forms([
        // As far as it's there: the beginning may have been printed too long ago, the end not yet.
        (
            r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)".to_owned(),
            always,
        ),
        (
            r"[A-Za-z0-9+/=]{16,}(?:\s+[A-Za-z0-9+/=]+)*\s*-----END [A-Z ]*PRIVATE KEY-----".to_owned(),
            always,
        ),
        (
            r"(?m)^\s*(?P<value>[A-Za-z0-9+/]{48,}=*)\s*$".to_owned(),
            |_, value| looks_random(value),
        ),
        // JSON Web Tokens: what begins with `{"` or with a space or line end in between.
        (
            r"\be[wy][A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)*|\beyJ[A-Za-z0-9_-]{24,}"
                .to_owned(),
            always,
        ),
        (
            r"\b(?P<value>(?:[sr]k_(?:test|live)|oat|mt|ak|whsec)_(?P<name>[A-Za-z0-9_/+=-]{8,}))".to_owned(),
            |rest, value| !is_placeholder(value) && !is_words(rest),
        ),
        // To the last @ of the authority, for a password may have one in it.
        (r"://(?P<value>[^/?#\s'\x22]+)@".to_owned(), |_, value| {
            !is_placeholder(value)
        }),
        // One with a slash in it is no part of an authority, but that's what people write.
        (
            r"://[^\s'\x22/@:]+:(?P<value>[^\s'\x22]+)@".to_owned(),
            |_, value| !is_placeholder(value) && !begins_with_port(value),
        ),
    ])
});

/// A variable on a line of its own, as `env` prints it and files have it.
static LINES: LazyLock<Vec<Form>> = LazyLock::new(|| {
    // The value is the rest of the line, for it may have spaces in it. Errors about files number the lines.
    let start = r"(?m)^\s*(?:\d+ \| |export |declare -x )?";
    forms([(
        format!(r"{start}(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(?P<value>\S[^\n]*)"),
        is_assigned,
    )])
});

/// What is one by what stands beside it.
static NAMED: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let name = r"\b(?P<name>[A-Za-z0-9_.-]+)";
    // In JSON within JSON, quotes have backslashes before them.
    let quote = r#"(?:["']|\\+")?"#;
    forms([
        (
            format!(r#"{name}\s?=\s?(?P<value>{QUOTED}|\[[^\]\n]*\]|[^\s'",;&|<>\\{{(\[][^\s'",;&|<>\\]*)"#),
            is_assigned,
        ),
        (format!(r"{name}{quote}\s*:\s*(?P<value>{QUOTED})"), is_member),
        // Prose has such lines as well, but for the digit.
        (
            format!(r#"(?m){name}\s*:\s+(?P<value>[^\s'",<>]*\d[^\s'",<>]*)\s*$"#),
            |name, value| value.len() >= 8 && is_member(name, value),
        ),
        // Without a scheme that is known.
        (
            r#"(?i)\bauthorization["']\s*:\s*["'](?P<value>[^\s"'<>]{6,})["']"#.to_owned(),
            |_, value| !is_harmless(value),
        ),
        (
            r"(?im)^(?:proxy-)?authorization\s*:\s*(?P<value>[^\s<>]{6,})\s*$".to_owned(),
            |_, value| !is_harmless(value),
        ),
        (
            r"(?im)^(?P<name>x-[a-z0-9-]+):[ \t]*(?P<value>[^\s<>]{6,})\s*$".to_owned(),
            |name, value| telling(name).is_some() && !is_harmless(value),
        ),
        (
            format!(
                r#"(?i)\bauthorization{quote}\s*[:=]\s*{quote}(?:bearer|basic|dpop)\s+(?P<value>[^\s'"<>,\\]+)"#
            ),
            |_, value| !["token", "scheme", "header", "credentials"].contains(&value),
        ),
        (
            format!(r#"(?i)\bset-cookie{quote}\s*[:=]\s*{quote}[^\s=;,]+=(?P<value>[^;\s"']+)"#),
            always,
        ),
        (
            format!(r#"(?i)(?:^|[^-\w])cookie{quote}\s*:\s*{quote}(?P<value>[^"'\n]+=[^"'\n]*)"#),
            always,
        ),
    ])
});

/// What else is one in a command.
static IN_COMMANDS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let name = r"\b(?P<name>[A-Za-z0-9_.-]+)";
    let is_secret: IsSecret = |name, value| telling(name).is_some() && !is_harmless(value);
    forms([
        (format!(r#"{name}=(?P<value>{QUOTED}|[^\s'"&|;]+)"#), is_secret),
        (
            r#"(?i)\b(?:proxy-)?authorization:\s*(?:(?:bearer|basic|dpop)\s+)?(?P<value>[^\s'"][^'"\n]*)"#
                .to_owned(),
            |_, value| !is_harmless(value),
        ),
        // A header, to the end of its word.
        (format!(r#"{name}:\s*(?P<value>[^\s'"][^'"\n]*)"#), is_secret),
    ])
});

/// Where there are tokens and keys.
pub(super) fn tokens(text: &str) -> Vec<Range<usize>> {
    found(&[&TOKENS], text)
}

/// The same, and what has a telling name beside it.
pub(super) fn tokens_and_named(text: &str) -> Vec<Range<usize>> {
    found(&[&TOKENS, &LINES, &NAMED], text)
}

/// The same in a word of a command, which may be a command itself.
pub(super) fn in_commands(text: &str) -> Vec<Range<usize>> {
    let mut ranges = found(&[&TOKENS, &NAMED, &IN_COMMANDS], text);
    ranges.extend(in_addresses(text));
    ranges
}

/// The same in the lines of a file that a command writes.
pub(super) fn in_files(text: &str) -> Vec<Range<usize>> {
    static MEMBERS: LazyLock<Vec<Form>> = LazyLock::new(|| {
        forms([(
            r"(?m)^\s*(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)\s*:\s+(?P<value>\S[^\n]*)".to_owned(),
            is_member,
        )])
    });
    found(&[&LINES, &NAMED, &MEMBERS], text)
}

/// The parts of a URL's path and query that nobody can guess, for some need no more than the URL.
pub(super) fn in_addresses(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for (start, _) in text.match_indices("://") {
        let rest = text.get(start + 3..).unwrap_or_default();
        let address = rest.split(char::is_whitespace).next().unwrap_or_default();
        let mut at = start + 3;
        for (number, part) in address.split(['/', '?', '&', '=', '#', '\'', '"']).enumerate() {
            if number > 0 && looks_random(part) {
                ranges.push(at..at + part.len());
            }
            at += part.len() + 1;
        }
    }
    ranges
}

fn found(forms: &[&[Form]], text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for form in forms.iter().copied().flatten() {
        let mut at = 0;
        while let Some(captures) = form.pattern.captures_at(text, at) {
            let name = captures.name("name").map_or("", |name| name.as_str());
            let Some(value) = captures.name("value").or_else(|| captures.get(0)) else {
                break;
            };
            let is_secret = (form.is_secret)(name, value.as_str());
            if is_secret {
                ranges.push(value.range());
            }
            // What is none may have another name and value in it.
            let is_behind = captures.get(0).is_some_and(|whole| whole.start() < value.start());
            at = if is_behind && !is_secret {
                value.start()
            } else {
                value.end()
            };
        }
    }
    ranges
}

fn forms<const COUNT: usize>(patterns: [(String, IsSecret); COUNT]) -> Vec<Form> {
    patterns
        .into_iter()
        .filter_map(|(pattern, is_secret)| {
            Some(Form {
                pattern: Regex::new(&pattern).ok()?,
                is_secret,
            })
        })
        .collect()
}

fn always(_: &str, _: &str) -> bool {
    true
}

/// Whether what is behind the colon of an authority is a port and a path.
fn begins_with_port(value: &str) -> bool {
    let port = value.split(['/', '?', '#']).next().unwrap_or_default();
    port.bytes().all(|one| one.is_ascii_digit())
}

/// Behind `=`: variables are written so, and a name in capitals is one.
fn is_assigned(name: &str, value: &str) -> bool {
    let is_variable = !name.contains(|one: char| one.is_ascii_lowercase());
    match telling(name) {
        Some(Telling::Perhaps) if !is_variable => !is_harmless(value) && !is_words(value),
        Some(_) => !is_harmless(value),
        None => false,
    }
}

/// Behind `:`, where much may stand that is about a token and is none.
fn is_member(name: &str, value: &str) -> bool {
    match telling(name) {
        Some(Telling::Perhaps) => !is_harmless(value) && !is_words(value),
        Some(Telling::Surely) => !is_harmless(value),
        None => false,
    }
}

/// Whether it has nothing but words: all small, or all capitals.
fn is_words(value: &str) -> bool {
    let is_other = |one: char| !one.is_ascii_alphabetic();
    let separates = |one: char| "_- '\",.".contains(one);
    let has = |test: fn(&char) -> bool| value.chars().any(|one| test(&one));
    let is_one_case = !(has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase));
    // One long run of letters is no word.
    is_one_case
        && value.split(is_other).all(|word| word.len() < 12)
        && value
            .chars()
            .all(|one| one.is_ascii_alphabetic() || separates(one))
}
