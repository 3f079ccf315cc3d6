//! Compares a text with a [`Matcher`].

use regex::Regex;

use super::difference::Differences;
use crate::case::Matcher;

/// Compares a text, or its absence, with a matcher.
pub(super) fn compare(what: &str, matcher: &Matcher, text: Option<&str>, differences: &mut Differences) {
    let is_match = match text {
        Some(text) => matches(matcher, text),
        None => matches_absence(matcher),
    };
    if !is_match {
        let actual = text.map_or_else(|| "absent".to_owned(), quoted);
        differences.add(format!("{what} {}", describe(matcher)), actual);
    }
}

/// Compares a header with a matcher. In the lists of CORS, `*` stands for every name but Authorization
/// (Fetch, CORS protocol); in other lists it stands for itself.
pub(super) fn compare_header(
    name: &str,
    matcher: &Matcher,
    text: Option<&str>,
    differences: &mut Differences,
) {
    let what = format!("header {name}");
    let has_wildcard = text.is_some_and(|text| text.split(',').any(|item| item.trim() == "*"));
    let mut matcher = matcher.clone();
    let is_cors = name.to_ascii_lowercase().starts_with("access-control-");
    if let Some(names) = &mut matcher.lists
        && has_wildcard
        && is_cors
    {
        names.retain(|name| name.eq_ignore_ascii_case("authorization"));
    }
    compare(&what, &matcher, text, differences);
}

/// Returns whether an absent text matches: it contains nothing, and so lacks everything.
fn matches_absence(matcher: &Matcher) -> bool {
    let without_lacks = Matcher {
        lacks: None,
        ..matcher.clone()
    };
    matcher.optional || matcher.present == Some(false) || without_lacks == Matcher::default()
}

/// Returns whether a text matches.
pub(crate) fn matches(matcher: &Matcher, text: &str) -> bool {
    let Matcher {
        optional: _,
        present,
        equals,
        one_of,
        contains,
        lacks,
        matches,
        lists,
    } = matcher;
    let listed: Vec<String> = text
        .split(',')
        .map(|item| item.trim().to_ascii_lowercase())
        .collect();
    *present != Some(false)
        && equals.as_ref().is_none_or(|expected| expected == text)
        && one_of
            .as_ref()
            .is_none_or(|all| all.iter().any(|one| one == text))
        && contains
            .as_ref()
            .is_none_or(|all| all.as_slice().iter().all(|one| text.contains(one.as_str())))
        && lacks
            .as_ref()
            .is_none_or(|all| !all.as_slice().iter().any(|one| text.contains(one.as_str())))
        && matches.as_ref().is_none_or(|pattern| is_match(pattern, text))
        && lists
            .as_ref()
            .is_none_or(|all| all.iter().all(|one| listed.contains(&one.to_ascii_lowercase())))
}

/// Returns whether a text matches a regular expression. Patterns are checked when cases are loaded; one that
/// became invalid by its placeholders matches nothing.
pub(super) fn is_match(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

/// Describes a matcher: `is "a" and contains "b"`.
pub(crate) fn describe(matcher: &Matcher) -> String {
    let Matcher {
        optional,
        present,
        equals,
        one_of,
        contains,
        lacks,
        matches,
        lists,
    } = matcher;
    let all = |texts: &[String]| {
        texts
            .iter()
            .map(|text| quoted(text))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut words = Vec::new();
    match present {
        Some(true) => words.push("is present".to_owned()),
        Some(false) => words.push("is absent".to_owned()),
        None => {}
    }
    words.extend(equals.iter().map(|text| format!("is {}", quoted(text))));
    words.extend(one_of.iter().map(|texts| format!("is one of {}", all(texts))));
    words.extend(
        contains
            .iter()
            .map(|texts| format!("contains {}", all(texts.as_slice()))),
    );
    words.extend(
        lacks
            .iter()
            .map(|texts| format!("does not contain {}", all(texts.as_slice()))),
    );
    words.extend(matches.iter().map(|pattern| format!("matches {pattern}")));
    words.extend(lists.iter().map(|texts| format!("lists {}", all(texts))));
    let words = words.join(" and ");
    if *optional {
        return format!("{words}, if present");
    }
    words
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(toml: &str) -> Matcher {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn every_condition_must_hold() {
        for (toml, text, expected) in [
            ("equals = \"a\"", "a", true),
            ("equals = \"a\"", "A", false),
            ("contains = [\"a\", \"b\"]", "a b", true),
            ("contains = [\"a\", \"b\"]", "a", false),
            ("lacks = \"a\"", "b", true),
            ("lacks = [\"b\", \"a\"]", "a", false),
            ("one_of = [\"a\", \"b\"]", "b", true),
            ("matches = \"^a+$\"", "aaa", true),
            ("matches = \"^a+$\"", "aab", false),
            ("lists = [\"Authorization\"]", "content-type, authorization", true),
            ("lists = [\"Authorization\"]", "x-authorization", false),
            ("lists = [\"no-store\"]", "*", false),
            ("present = false", "", false),
            ("contains = \"a\"\nlacks = \"b\"", "ab", false),
        ] {
            assert_eq!(matches(&matcher(toml), text), expected, "{toml} {text:?}");
        }
    }

    #[test]
    fn an_absent_text_matches_only_if_it_may_be_absent() {
        for (toml, expected) in [
            ("present = false", 0),
            ("lacks = \"a\"", 0),
            ("lacks = \"a\"\npresent = true", 1),
            ("present = true", 1),
            ("equals = \"a\"", 1),
            ("equals = \"a\"\noptional = true", 0),
        ] {
            let mut differences = Differences::default();
            compare("it", &matcher(toml), None, &mut differences);
            assert_eq!(differences.len(), expected, "{toml}");
        }
    }

    #[test]
    fn a_wildcard_allows_every_header_but_authorization() {
        for (name, listed, allowed) in [
            ("access-control-allow-headers", "content-type", true),
            ("access-control-allow-headers", "authorization", false),
            ("access-control-allow-methods", "POST", true),
            ("allow", "POST", false),
        ] {
            let mut differences = Differences::default();
            let matcher = matcher(&format!("lists = [\"{listed}\"]"));
            compare_header(name, &matcher, Some("*"), &mut differences);
            assert_eq!(differences.len() == 0, allowed, "{name} {listed}");
        }
    }
}
