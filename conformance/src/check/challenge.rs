use super::{Difference, text};
use crate::{case::ChallengeExpectation, wire::Answer};

/// The one Bearer challenge of an answer (RFC 9110 §11.6.1, RFC 6750 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In the order they came.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Reads it; `Ok(None)` when there is no challenge, and an error that says what is wrong with what there is.
    pub(super) fn of(answer: &Answer) -> Result<Option<Self>, String> {
        let Some(value) = answer.header("www-authenticate") else {
            return Ok(None);
        };
        let challenges = http_auth::parse_challenges(&value)
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
        Ok(Some(Self {
            parameters: challenge
                .params
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_unescaped()))
                .collect(),
        }))
    }

    /// The same where there must be one: says what is wrong, once.
    pub(super) fn required(answer: &Answer, differences: &mut Vec<Difference>) -> Option<Self> {
        let difference = match Self::of(answer) {
            Ok(Some(challenge)) => return Some(challenge),
            Ok(None) => Difference::new("a Bearer challenge", "no WWW-Authenticate"),
            Err(problem) => Difference::new("a well-formed Bearer challenge", problem),
        };
        if !differences.contains(&difference) {
            differences.push(difference);
        }
        None
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
    let value = answer.header("www-authenticate");
    if expect.absent {
        if let Some(value) = value {
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
        check_form(&challenge, &value.unwrap_or_default(), differences);
    }
}

/// RFC 6750 §3: each parameter at most once, and only the characters it may have.
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
        if !value.to_ascii_lowercase().contains(&format!("{name}=\"")) {
            differences.push(Difference::new(format!("{name} as a quoted string"), value));
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
    fn a_challenge_is_read_or_refused() {
        let right = answer(r#"Bearer error="invalid_token", resource_metadata="https://a.example/b?c=d,e""#);
        let challenge = Challenge::of(&right).unwrap().unwrap();
        assert_eq!(challenge.get("error"), Some("invalid_token"));
        assert_eq!(
            challenge.get("resource_metadata"),
            Some("https://a.example/b?c=d,e")
        );
        for wrong in [
            "Bearer resource_metadata=https://a.example/b",
            "Basic realm=\"a\"",
            "Bearer a=\"b\", Bearer c=\"d\"",
            "\"",
        ] {
            Challenge::of(&answer(wrong)).unwrap_err();
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
            (r"Bearer error=invalid_token", 1),
            (r#"Bearer error="a", error="b""#, 1),
            (r#"Bearer error_description="a\"b""#, 1),
        ] {
            let mut differences = Vec::new();
            check(&expect, &answer(challenge), &mut differences);
            assert_eq!(differences.len(), due, "{challenge}: {differences:?}");
        }
    }
}
