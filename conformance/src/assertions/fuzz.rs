//! The fuzz target of the challenge parser.

use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};

use super::{
    challenge::{Challenge, compare},
    difference::Differences,
};
use crate::{case::ChallengeExpectation, wire::Answer};

/// Parses a `WWW-Authenticate` header. The parameters of a challenge, written again, are the same challenge.
pub fn challenge(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let answer = Answer {
        status: StatusCode::UNAUTHORIZED,
        headers: HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]),
        body: Vec::new(),
    };
    let expect = ChallengeExpectation {
        well_formed: true,
        ..ChallengeExpectation::default()
    };
    compare(&expect, &answer, &mut Differences::default());
    let value = answer.header("www-authenticate").unwrap_or_default();
    let Ok(challenge) = Challenge::parse(&value) else {
        return;
    };
    assert_eq!(Challenge::of(&answer).as_ref(), Some(&challenge));
    let parameters: Vec<_> = challenge
        .parameters
        .iter()
        .map(|(name, value)| {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{name}=\"{escaped}\"")
        })
        .collect();
    let written = format!("Bearer {}", parameters.join(", "));
    assert_eq!(Challenge::parse(written.trim_end()), Ok(challenge), "{written}");
}
