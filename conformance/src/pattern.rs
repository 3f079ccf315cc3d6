//! Patterns with `*`, and selectors of cases.

/// Returns whether `pattern`, in which `*` stands for any text, matches all of `text`.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(end)
}

/// Returns whether a selector matches the id of a case. A selector is an id, a section (`claims`) or another
/// prefix up to a dot, or a pattern.
pub(crate) fn selects(selector: &str, id: &str) -> bool {
    if selector.contains('*') {
        return matches(selector, id);
    }
    id == selector
        || id
            .strip_prefix(selector)
            .is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_match_ids_sections_and_patterns() {
        for (selector, id, expected) in [
            ("claims", "claims.expired", true),
            ("claims", "claimsx.expired", false),
            ("claims.expired", "claims.expired", true),
            ("claims.exp", "claims.expired", false),
            ("claims.exp*", "claims.expired", true),
            ("*.expired", "claims.expired", true),
            ("*.exp", "claims.expired", false),
            ("*", "claims.expired", true),
            ("c*s.e*d", "claims.expired", true),
            ("c*x*x*", "claims.expired", false),
            ("claims.*expired*red", "claims.expired", false),
        ] {
            assert_eq!(selects(selector, id), expected, "{selector} {id}");
        }
    }
}
