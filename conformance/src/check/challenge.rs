use std::sync::LazyLock;

use regex::Regex;

use super::{Difference, text};
use crate::{case::ChallengeExpectation, wire::Answer};

/// The Bearer challenge of an answer (RFC 9110 §11.6.1, RFC 6750 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In the order they came.
    parameters: Vec<(String, String)>,
}

/// A parameter as careless servers write it: quoted or not, whatever stands between two of them.
static PARAMETER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))"#).ok());

impl Challenge {
    /// Reads it, if there is one. A mistake in its form is for the case on its form: elsewhere it is read as well as can be,
    /// for one mistake must not fail every case that looks at a challenge.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let value = answer.header("www-authenticate")?;
        Self::strict(&value).ok().or_else(|| Self::lenient(&value))
    }

    /// Reads it to the letter, and says what is wrong with it.
    fn strict(value: &str) -> Result<Self, String> {
        let challenges = http_auth::parse_challenges(value)
            .map_err(|_| format!("it is not a list of challenges as RFC 9110 §11.6.1 has it: {value}"))?;
        let mut bearer = challenges
            .into_iter()
            .filter(|one| one.scheme.eq_ignore_ascii_case("bearer"));
        let Some(challenge) = bearer.next() else {
            return Err(format!("there is no Bearer challenge: {value}"));
        };
        if bearer.next().is_some() {
            return Err(format!("there is more than one Bearer challenge: {value}"));
        }
        Ok(Self {
            parameters: challenge
                .params
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_unescaped()))
                .collect(),
        })
    }

    fn lenient(value: &str) -> Option<Self> {
        let word = |word: &str| word.eq_ignore_ascii_case("bearer");
        value.split([' ', ',']).any(word).then_some(())?;
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

    /// The same where there must be one: says so, once.
    pub(super) fn required(answer: &Answer, differences: &mut Vec<Difference>) -> Option<Self> {
        let challenge = Self::of(answer);
        if challenge.is_none() {
            let value = answer.header("www-authenticate");
            let came = value.unwrap_or_else(|| "no WWW-Authenticate".to_owned());
            let difference = Difference::new("a Bearer challenge", came);
            if !differences.contains(&difference) {
                differences.push(difference);
            }
        }
        challenge
    }

    /// A parameter's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(one, _)| one == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The challenge of an answer against what it must be like.
pub(super) fn check(expect: &ChallengeExpectation, answer: &Answer, differences: &mut Vec<Difference>) {
    if expect.absent {
        if let Some(value) = answer.header("www-authenticate") {
            differences.push(Difference::new("no WWW-Authenticate", value));
        }
        return;
    }
    let Some(challenge) = Challenge::required(answer, differences) else {
        return;
    };
    for (name, matcher) in &expect.parameters {
        text::check(
            &format!("the challenge's {name}"),
            matcher,
            challenge.get(name),
            differences,
        );
    }
    if let Some(order) = &expect.order {
        let names: Vec<&str> = challenge
            .parameters
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        if names != *order {
            let due = format!("the challenge's parameters, in order: {}", order.join(", "));
            differences.push(Difference::new(due, names.join(", ")));
        }
    }
    if let Some(scopes) = &expect.scopes {
        let has: Vec<&str> = challenge.get("scope").unwrap_or_default().split(' ').collect();
        if !scopes.iter().all(|scope| has.contains(&scope.as_str())) {
            let due = format!("the challenge's scope has {}", scopes.join(", "));
            differences.push(Difference::new(due, has.join(" ")));
        }
    }
    if expect.well_formed {
        let value = answer.header("www-authenticate").unwrap_or_default();
        match Challenge::strict(&value) {
            Ok(challenge) => check_form(&challenge, &value, differences),
            Err(problem) => differences.push(Difference::new("a well-formed Bearer challenge", problem)),
        }
    }
}

/// RFC 6750 §3: each parameter at most once, and only the characters it may have. A value that is no token is quoted, or
/// the header could not be read (RFC 9110 §11.2).
fn check_form(challenge: &Challenge, value: &str, differences: &mut Vec<Difference>) {
    if challenge.parameters.is_empty() {
        differences.push(Difference::new("at least one parameter", value));
    }
    for (position, (name, content)) in challenge.parameters.iter().enumerate() {
        if challenge
            .parameters
            .iter()
            .take(position)
            .any(|(one, _)| one == name)
        {
            differences.push(Difference::new(format!("{name} at most once"), value));
        }
        let allowed = |one: char| match name.as_str() {
            "error" | "error_description" => {
                matches!(one, '\x20'..='\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E')
            }
            "scope" => matches!(one, ' ' | '\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E'),
            _ => !one.is_control(),
        };
        if !content.chars().all(allowed) {
            differences.push(Difference::new(
                format!("{name} with the characters of RFC 6750 §3"),
                value,
            ));
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
    fn a_challenge_is_read_whatever_its_form() {
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
    fn form_is_checked() {
        let expect = ChallengeExpectation {
            well_formed: true,
            ..ChallengeExpectation::default()
        };
        for (challenge, due) in [
            (r#"Bearer error="invalid_token", scope="a b""#, 0),
            (r"Bearer error=invalid_token", 0),
            (r"Bearer resource_metadata=https://a.example/b", 1),
            (r#"Bearer a="b", Bearer c="d""#, 1),
            (r#"Basic realm="a""#, 1),
            (r#"Bearer error="a", error="b""#, 1),
            (r#"Bearer error_description="a\"b""#, 1),
        ] {
            let mut differences = Vec::new();
            check(&expect, &answer(challenge), &mut differences);
            assert_eq!(differences.len(), due, "{challenge}: {differences:?}");
        }
    }
}
