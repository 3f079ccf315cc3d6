//! Parses the Bearer challenge of an answer and compares it with its expectation.

use std::sync::LazyLock;

use regex::Regex;

use super::{difference::Differences, matcher};
use crate::{case::ChallengeExpectation, wire::Answer};

/// A Bearer challenge (RFC 9110 §11.6.1, RFC 6750 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// In the order of the header.
    pub(crate) parameters: Vec<(String, String)>,
}

/// A parameter, quoted or not, with any separator.
static PARAMETER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))"#).ok());

impl Challenge {
    /// Parses the challenge of an answer leniently. Malformed challenges fail the case about their syntax;
    /// otherwise one syntax error would fail every case that expects a challenge.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        let value = answer.header("www-authenticate")?;
        Self::parse(&value).ok().or_else(|| Self::parse_leniently(&value))
    }

    /// Parses a header value strictly.
    pub(super) fn parse(value: &str) -> Result<Self, String> {
        let challenges = http_auth::parse_challenges(value)
            .map_err(|_| format!("not a list of challenges (RFC 9110 §11.6.1): {value}"))?;
        let mut bearer = challenges
            .into_iter()
            .filter(|one| one.scheme.eq_ignore_ascii_case("bearer"));
        let Some(challenge) = bearer.next() else {
            return Err(format!("no Bearer challenge: {value}"));
        };
        if bearer.next().is_some() {
            return Err(format!("more than one Bearer challenge: {value}"));
        }
        Ok(Self {
            parameters: challenge
                .params
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_unescaped()))
                .collect(),
        })
    }

    fn parse_leniently(value: &str) -> Option<Self> {
        let is_bearer = |word: &str| word.eq_ignore_ascii_case("bearer");
        value.split([' ', ',']).any(is_bearer).then_some(())?;
        let start = value.to_ascii_lowercase().find("bearer")?;
        let parameters = PARAMETER
            .as_ref()?
            .captures_iter(value.get(start..)?)
            .map(|found| {
                let part = |index| found.get(index).map(|part| part.as_str().to_owned());
                let name = part(1).unwrap_or_default().to_ascii_lowercase();
                (name, part(2).or_else(|| part(3)).unwrap_or_default())
            });
        Some(Self {
            parameters: parameters.collect(),
        })
    }

    /// Parses the challenge of an answer and adds a difference if there is none.
    pub(super) fn required(answer: &Answer, differences: &mut Differences) -> Option<Self> {
        let challenge = Self::of(answer);
        if challenge.is_none() {
            let value = answer.header("www-authenticate");
            let actual = value.unwrap_or_else(|| "no WWW-Authenticate".to_owned());
            differences.add("a Bearer challenge", actual);
        }
        challenge
    }

    /// Returns the value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(one, _)| one == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Compares the challenge of an answer with its expectation.
pub(super) fn compare(expect: &ChallengeExpectation, answer: &Answer, differences: &mut Differences) {
    if expect.absent {
        if let Some(value) = answer.header("www-authenticate") {
            differences.add("no WWW-Authenticate", value);
        }
        return;
    }
    let Some(challenge) = Challenge::required(answer, differences) else {
        return;
    };
    for (name, matcher) in &expect.parameters {
        let what = format!("the challenge's {name}");
        matcher::compare(&what, matcher, challenge.get(name), differences);
    }
    if let Some(order) = &expect.order {
        let names: Vec<&str> = challenge
            .parameters
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        if names != *order {
            let expected = format!("the challenge's parameters, in order: {}", order.join(", "));
            differences.add(expected, names.join(", "));
        }
    }
    if let Some(scopes) = &expect.scopes {
        let actual: Vec<&str> = challenge.get("scope").unwrap_or_default().split(' ').collect();
        if !scopes.iter().all(|scope| actual.contains(&scope.as_str())) {
            let expected = format!("the challenge's scope contains {}", scopes.join(", "));
            differences.add(expected, actual.join(" "));
        }
    }
    if expect.well_formed {
        let value = answer.header("www-authenticate").unwrap_or_default();
        match Challenge::parse(&value) {
            Ok(challenge) => check_parameters(&challenge, &value, differences),
            Err(problem) => differences.add("a well-formed Bearer challenge", problem),
        }
    }
}

/// Checks that there are parameters, each at most once and with allowed characters only (RFC 6750 §3). An
/// unquoted value that is not a token has already failed to parse (RFC 9110 §11.2).
fn check_parameters(challenge: &Challenge, value: &str, differences: &mut Differences) {
    if challenge.parameters.is_empty() {
        differences.add("a challenge with at least one parameter", value);
    }
    for (position, (name, content)) in challenge.parameters.iter().enumerate() {
        if challenge
            .parameters
            .iter()
            .take(position)
            .any(|(one, _)| one == name)
        {
            differences.add(format!("the challenge parameter {name} at most once"), value);
        }
        let allowed = |one: char| match name.as_str() {
            "error" | "error_description" => {
                matches!(one, '\x20'..='\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E')
            }
            "scope" => matches!(one, ' ' | '\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E'),
            _ => !one.is_control(),
        };
        if !content.chars().all(allowed) {
            differences.add(
                format!("the challenge parameter {name} with the characters that RFC 6750 §3 allows"),
                value,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};

    use super::*;

    fn answer(challenge: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        Answer {
            status: StatusCode::UNAUTHORIZED,
            headers,
            body: Vec::new(),
        }
    }

    #[test]
    fn malformed_challenges_are_parsed_leniently() {
        for challenge in [
            r#"Bearer error="invalid_token", resource_metadata="https://a.example/b?c=d,e""#,
            "Bearer error=invalid_token, resource_metadata=https://a.example/b?c=d",
            r#"bearer error="invalid_token" resource_metadata="https://a.example/b?c=d""#,
            r#"Basic realm="a", Bearer error="invalid_token", resource_metadata="https://a.example/b?c=d", Bearer"#,
        ] {
            let challenge = Challenge::of(&answer(challenge)).unwrap();
            assert_eq!(challenge.get("error"), Some("invalid_token"), "{challenge:?}");
            let metadata = challenge.get("resource_metadata").unwrap();
            assert!(metadata.starts_with("https://a.example/b?c=d"), "{metadata}");
        }
        for none in ["Basic realm=\"a\"", "Forbearer a=\"b\"", "\""] {
            assert_eq!(Challenge::of(&answer(none)), None);
        }
    }

    #[test]
    fn well_formed_checks_the_syntax() {
        let expect = ChallengeExpectation {
            well_formed: true,
            ..ChallengeExpectation::default()
        };
        for (challenge, expected) in [
            (r#"Bearer error="invalid_token", scope="a b""#, 0),
            (r"Bearer error=invalid_token", 0),
            (r"Bearer resource_metadata=https://a.example/b", 1),
            (r#"Bearer a="b", Bearer c="d""#, 1),
            (r#"Basic realm="a""#, 1),
            (r#"Bearer error="a", error="b""#, 1),
            (r#"Bearer error_description="a\"b""#, 1),
        ] {
            let mut differences = Differences::default();
            compare(&expect, &answer(challenge), &mut differences);
            assert_eq!(differences.len(), expected, "{challenge}: {differences:?}");
        }
    }
}
