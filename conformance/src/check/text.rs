use regex::Regex;

use super::Difference;
use crate::case::Matcher;

/// A text, or its absence, against a matcher.
pub(super) fn check(what: &str, matcher: &Matcher, text: Option<&str>, differences: &mut Vec<Difference>) {
    let Some(text) = text else {
        if matcher.optional {
            return;
        }
        // What isn't there has nothing in it that it must not have.
        let due = Matcher {
            lacks: None,
            ..matcher.clone()
        };
        if due.present != Some(false) && due != Matcher::default() {
            differences.push(Difference::new(
                format!("{what} {}", describe(matcher)),
                "not there",
            ));
        }
        return;
    };
    if !holds(matcher, text) {
        differences.push(Difference::new(
            format!("{what} {}", describe(matcher)),
            quoted(text),
        ));
    }
}

/// The same for a header. In the lists of CORS `*` stands for every name but Authorization (Fetch, CORS protocol); in all
/// others it stands for itself.
pub(super) fn check_header(
    name: &str,
    matcher: &Matcher,
    text: Option<&str>,
    differences: &mut Vec<Difference>,
) {
    let what = format!("header {name}");
    let wild = text.is_some_and(|text| text.split(',').any(|item| item.trim() == "*"));
    let mut matcher = matcher.clone();
    if wild && name.to_ascii_lowercase().starts_with("access-control-") {
        matcher.lists = matcher.lists.map(|due| {
            let named = due
                .into_iter()
                .filter(|one| one.eq_ignore_ascii_case("authorization"));
            named.collect()
        });
    }
    check(&what, &matcher, text, differences);
}

/// Whether a text that is there is as it should be.
pub(crate) fn holds(matcher: &Matcher, text: &str) -> bool {
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
        && equals.as_ref().is_none_or(|due| due == text)
        && one_of
            .as_ref()
            .is_none_or(|due| due.iter().any(|one| one == text))
        && contains
            .as_ref()
            .is_none_or(|due| due.as_slice().iter().all(|one| text.contains(one.as_str())))
        && lacks
            .as_ref()
            .is_none_or(|due| !due.as_slice().iter().any(|one| text.contains(one.as_str())))
        && matches.as_ref().is_none_or(|pattern| is_match(pattern, text))
        && lists
            .as_ref()
            .is_none_or(|due| due.iter().all(|one| listed.contains(&one.to_ascii_lowercase())))
}

/// Patterns were checked when the case was loaded; one that placeholders broke matches nothing.
pub(super) fn is_match(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

/// The matcher in words: `is "a" and contains "b"`.
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
        Some(true) => words.push("is there".to_owned()),
        Some(false) => words.push("is not there".to_owned()),
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
        return format!("{words}, if it is there");
    }
    words
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(toml: &str) -> Matcher {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn everything_that_is_said_must_hold() {
        for (toml, text, due) in [
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
            assert_eq!(holds(&matcher(toml), text), due, "{toml} {text:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_only_right_when_that_is_expected() {
        for (toml, due) in [
            ("present = false", 0),
            ("lacks = \"a\"", 0),
            ("lacks = \"a\"\npresent = true", 1),
            ("present = true", 1),
            ("equals = \"a\"", 1),
            ("equals = \"a\"\noptional = true", 0),
        ] {
            let mut differences = Vec::new();
            check("it", &matcher(toml), None, &mut differences);
            assert_eq!(differences.len(), due, "{toml}");
        }
    }
    #[test]
    fn a_wildcard_allows_every_header_but_authorization() {
        for (name, due, allowed) in [
            ("access-control-allow-headers", "content-type", true),
            ("access-control-allow-headers", "authorization", false),
            ("access-control-allow-methods", "POST", true),
            ("allow", "POST", false),
        ] {
            let mut differences = Vec::new();
            let matcher = matcher(&format!("lists = [\"{due}\"]"));
            check_header(name, &matcher, Some("*"), &mut differences);
            assert_eq!(differences.is_empty(), allowed, "{name} {due}");
        }
    }
}
