//! Compares places in a JSON document with their expectations.

use serde_json::Value;

use super::{difference::Differences, matcher};
use crate::case::JsonExpectation;

/// The maximum length of a value in a difference.
const SHOWN_CHARACTERS: usize = 300;

/// Compares a document with all expectations of it.
pub(super) fn compare_all(
    what: &str,
    expectations: &[JsonExpectation],
    document: Option<&Value>,
    differences: &mut Differences,
) {
    match document {
        Some(document) => {
            for expect in expectations {
                compare(what, expect, document, differences);
            }
        }
        None if expectations.is_empty() => {}
        None => differences.add(format!("{what} is JSON"), "absent or not JSON"),
    }
}

fn compare(what: &str, expect: &JsonExpectation, document: &Value, differences: &mut Differences) {
    match document.pointer(&expect.at) {
        Some(value) if matches(expect, value) => {}
        Some(value) => differences.add(describe(what, expect), shown(value)),
        None if expect.present == Some(false) || only_lacks(expect) => {}
        None => differences.add(describe(what, expect), "absent"),
    }
}

/// Returns whether the expectation only says what a value must not contain. An absent value contains nothing.
fn only_lacks(expect: &JsonExpectation) -> bool {
    let lacks = JsonExpectation {
        at: expect.at.clone(),
        lacks: expect.lacks.clone(),
        ..JsonExpectation::default()
    };
    expect.lacks.is_some() && *expect == lacks
}

fn matches(expect: &JsonExpectation, value: &Value) -> bool {
    let JsonExpectation {
        at: _,
        present,
        equals,
        one_of,
        contains,
        lacks,
        matches,
        length,
        is,
    } = expect;
    *present != Some(false)
        && equals.as_ref().is_none_or(|expected| equal(expected, value))
        && one_of
            .as_ref()
            .is_none_or(|all| all.iter().any(|one| equal(one, value)))
        && contains
            .as_ref()
            .is_none_or(|all| all.as_slice().iter().all(|one| has(value, one)))
        && lacks
            .as_ref()
            .is_none_or(|all| !all.as_slice().iter().any(|one| has(value, one)))
        && matches.as_ref().is_none_or(|pattern| {
            value
                .as_str()
                .is_some_and(|value| matcher::is_match(pattern, value))
        })
        && length.is_none_or(|expected| length_of(value) == Some(expected))
        && is.as_ref().is_none_or(|expected| expected == type_of(value))
}

/// Compares two values. TOML has no null, so the text `@null` stands for it.
fn equal(expected: &Value, value: &Value) -> bool {
    match expected {
        Value::String(text) if text == "@null" => value.is_null(),
        Value::Number(expected) => value
            .as_f64()
            .is_some_and(|value| Some(value) == expected.as_f64()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            expected == value
        }
    }
}

fn has(value: &Value, part: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|one| equal(part, one)),
        Value::String(text) => part.as_str().is_some_and(|part| text.contains(part)),
        Value::Object(members) => part.as_str().is_some_and(|name| members.contains_key(name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn length_of(value: &Value) -> Option<usize> {
    match value {
        Value::Array(values) => Some(values.len()),
        Value::String(text) => Some(text.chars().count()),
        Value::Object(members) => Some(members.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Returns a value as JSON, cut to the maximum length.
pub(super) fn shown(value: &Value) -> String {
    let json = value.to_string();
    match json.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", json.get(..end).unwrap_or_default()),
        None => json,
    }
}

/// Describes an expectation: `the body at /issuer is "https://…"`.
pub(super) fn describe(what: &str, expect: &JsonExpectation) -> String {
    let JsonExpectation {
        at,
        present,
        equals,
        one_of,
        contains,
        lacks,
        matches,
        length,
        is,
    } = expect;
    let name = match at.as_str() {
        "" => what.to_owned(),
        at => format!("{what} at {at}"),
    };
    let shown = |value: &Value| {
        if value.as_str() == Some("@null") {
            return "null".to_owned();
        }
        shown(value)
    };
    let all = |values: &[Value]| values.iter().map(shown).collect::<Vec<_>>().join(", ");
    let mut words = Vec::new();
    match present {
        Some(true) => words.push("is present".to_owned()),
        Some(false) => words.push("is absent".to_owned()),
        None => {}
    }
    words.extend(is.iter().map(|name| format!("is of type {name}")));
    words.extend(equals.iter().map(|value| format!("is {}", shown(value))));
    words.extend(one_of.iter().map(|values| format!("is one of {}", all(values))));
    words.extend(
        contains
            .iter()
            .map(|values| format!("contains {}", all(values.as_slice()))),
    );
    words.extend(
        lacks
            .iter()
            .map(|values| format!("does not contain {}", all(values.as_slice()))),
    );
    words.extend(matches.iter().map(|pattern| format!("matches {pattern}")));
    words.extend(length.iter().map(|length| format!("has length {length}")));
    if words.is_empty() {
        words.push("is present".to_owned());
    }
    format!("{name} {}", words.join(" and "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_in_a_document_are_compared() {
        let document = json!({ "a": ["x", 1, null], "b": "text", "n": null, "o": { "k": 2.0 } });
        for (toml, expected) in [
            ("at = \"/a\"\ncontains = \"x\"", 0),
            ("at = \"/a\"\ncontains = [\"x\", 1]", 0),
            ("at = \"/a\"\ncontains = [\"x\", \"y\"]", 1),
            ("at = \"/a\"\nlacks = \"x\"", 1),
            ("at = \"/a\"\nlength = 3", 0),
            ("at = \"/a/2\"\nequals = \"@null\"", 0),
            ("at = \"/b\"\nequals = \"@null\"", 1),
            ("at = \"/b\"\nmatches = \"^te\"", 0),
            ("at = \"/b\"\nis = \"array\"", 1),
            ("at = \"/c\"", 1),
            ("at = \"/c\"\nlacks = \"x\"", 0),
            ("at = \"/c\"\nlacks = \"x\"\nis = \"array\"", 1),
            ("at = \"/c\"\npresent = false", 0),
            ("at = \"/n\"\npresent = false", 1),
            ("at = \"/o/k\"\nequals = 2", 0),
            ("at = \"/o\"\ncontains = \"k\"", 0),
            ("at = \"\"\nis = \"object\"", 0),
        ] {
            let expect: JsonExpectation = toml::from_str(toml).unwrap();
            let mut differences = Differences::default();
            compare("it", &expect, &document, &mut differences);
            assert_eq!(differences.len(), expected, "{toml}");
        }
    }
}
