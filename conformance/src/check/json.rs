use serde_json::Value;

use super::{Difference, text};
use crate::case::JsonExpectation;

/// More of a value than this says no more.
const SHOWN_CHARACTERS: usize = 300;

/// One place in a document against what it must be like.
pub(super) fn check(
    what: &str,
    place: &JsonExpectation,
    document: &Value,
    differences: &mut Vec<Difference>,
) {
    let name = match place.at.as_str() {
        "" => what.to_owned(),
        at => format!("{what} at {at}"),
    };
    let Some(value) = document.pointer(&place.at) else {
        if place.present != Some(false) && !forbids_only(place) {
            differences.push(Difference::new(
                format!("{name} {}", describe(place)),
                "not there",
            ));
        }
        return;
    };
    if !holds(place, value) {
        differences.push(Difference::new(
            format!("{name} {}", describe(place)),
            shown(value),
        ));
    }
}

/// Whether it only says what must not be in there: what is not there has nothing in it.
fn forbids_only(place: &JsonExpectation) -> bool {
    let forbidden = JsonExpectation {
        at: place.at.clone(),
        lacks: place.lacks.clone(),
        ..JsonExpectation::default()
    };
    place.lacks.is_some() && *place == forbidden
}

fn holds(place: &JsonExpectation, value: &Value) -> bool {
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
    } = place;
    *present != Some(false)
        && equals.as_ref().is_none_or(|due| same(due, value))
        && one_of
            .as_ref()
            .is_none_or(|due| due.iter().any(|one| same(one, value)))
        && contains
            .as_ref()
            .is_none_or(|due| due.as_slice().iter().all(|one| has(value, one)))
        && lacks
            .as_ref()
            .is_none_or(|due| !due.as_slice().iter().any(|one| has(value, one)))
        && matches
            .as_ref()
            .is_none_or(|pattern| value.as_str().is_some_and(|value| text::is_match(pattern, value)))
        && length.is_none_or(|due| length_of(value) == Some(due))
        && is.as_ref().is_none_or(|due| due == type_of(value))
}

/// TOML has no null: the text `@null` stands for it.
fn same(due: &Value, value: &Value) -> bool {
    match due {
        Value::String(text) if text == "@null" => value.is_null(),
        Value::Number(due) => value.as_f64().is_some_and(|value| Some(value) == due.as_f64()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => due == value,
    }
}

fn has(value: &Value, due: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|one| same(due, one)),
        Value::String(text) => due.as_str().is_some_and(|due| text.contains(due)),
        Value::Object(members) => due.as_str().is_some_and(|due| members.contains_key(due)),
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

/// A value as JSON, cut.
pub(super) fn shown(value: &Value) -> String {
    let json = value.to_string();
    match json.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", json.get(..end).unwrap_or_default()),
        None => json,
    }
}

/// The expectation in words.
pub(super) fn describe(place: &JsonExpectation) -> String {
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
    } = place;
    let shown = |value: &Value| {
        if value.as_str() == Some("@null") {
            return "null".to_owned();
        }
        shown(value)
    };
    let all = |values: &[Value]| values.iter().map(shown).collect::<Vec<_>>().join(", ");
    let mut words = Vec::new();
    match present {
        Some(true) => words.push("is there".to_owned()),
        Some(false) => words.push("is not there".to_owned()),
        None => {}
    }
    words.extend(is.iter().map(|due| format!("is of type {due}")));
    words.extend(equals.iter().map(|due| format!("is {}", shown(due))));
    words.extend(one_of.iter().map(|due| format!("is one of {}", all(due))));
    words.extend(
        contains
            .iter()
            .map(|due| format!("contains {}", all(due.as_slice()))),
    );
    words.extend(
        lacks
            .iter()
            .map(|due| format!("does not contain {}", all(due.as_slice()))),
    );
    words.extend(matches.iter().map(|pattern| format!("matches {pattern}")));
    words.extend(length.iter().map(|due| format!("has the length {due}")));
    if words.is_empty() {
        words.push("is there".to_owned());
    }
    words.join(" and ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_found_and_compared() {
        let document = json!({ "a": ["x", 1, null], "b": "text", "n": null, "o": { "k": 2.0 } });
        for (toml, due) in [
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
            let place: JsonExpectation = toml::from_str(toml).unwrap();
            let mut differences = Vec::new();
            check("it", &place, &document, &mut differences);
            assert_eq!(differences.len(), due, "{toml}");
        }
    }
}
