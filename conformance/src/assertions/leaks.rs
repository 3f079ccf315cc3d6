//! What the answers of all cases must not contain: the token of the request, keys that only the server and
//! Clerk know, and stack traces.

use std::sync::LazyLock;

use regex::Regex;

use super::difference::Differences;
use crate::wire::Answer;

/// The minimum length of a token's part that cannot occur in an answer by chance.
const UNIQUE_PART_BYTES: usize = 16;

/// Clerk's secret keys. Placeholders such as `sk_test_…` in documentation are shorter.
static SECRET_KEY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?-u:\b)[sr]k_(?:test|live)_[A-Za-z0-9_/+-]{16,}").ok());

/// Stack traces of common languages.
static STACK_TRACE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let forms = [
        r"panicked at ",
        r"(?-u:\b[\w-]+)\.rs:\d+:\d+",
        r"Traceback \(most recent call last\)",
        r#"File \\?"[^"\\]+\.py\\?", line \d+"#,
        r"(?-u:\b)at [ -~]{1,200}\.(?:[cm]?[jt]s|java|kt|cs|rb|php):(?:line )?\d+",
        r"node_modules/",
        r"goroutine \d+ \[",
    ];
    Regex::new(&forms.join("|")).ok()
});

static PRIVATE_KEY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("-----BEGIN [A-Z ]*PRIVATE KEY-----").ok());

/// Compares the headers and the body of an answer with these rules. `token` is the token of the request.
pub(super) fn compare(answer: &Answer, token: Option<&str>, differences: &mut Differences) {
    let headers = answer.headers.iter();
    let mut texts: Vec<String> = headers
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    texts.push(answer.text());
    let matches = |pattern: &LazyLock<Option<Regex>>| {
        let pattern = pattern.as_ref();
        pattern.is_some_and(|pattern| texts.iter().any(|text| pattern.is_match(text)))
    };
    let parts = token.into_iter().flat_map(|token| token.split('.'));
    let mut unique = parts.filter(|part| part.len() >= UNIQUE_PART_BYTES);
    if unique.any(|part| texts.iter().any(|text| text.contains(part))) {
        differences.add(
            "no part of the token in the answer",
            "the answer contains a part of the token",
        );
    }
    if matches(&SECRET_KEY) {
        differences.add("no secret key in the answer", "the answer contains a secret key");
    }
    if matches(&STACK_TRACE) {
        differences.add(
            "no stack trace in the answer",
            "the answer contains a stack trace",
        );
    }
    if matches(&PRIVATE_KEY) {
        differences.add(
            "no private key in the answer",
            "the answer contains a private key",
        );
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::*;

    #[track_caller]
    fn assert_compares(header: &'static str, body: &str, expected: &[&str]) {
        let value = HeaderValue::from_static(header);
        let answer = Answer {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            headers: HeaderMap::from_iter([(HeaderName::from_static("x-debug"), value)]),
            body: body.as_bytes().to_vec(),
        };
        let mut differences = Differences::default();
        compare(
            &answer,
            Some("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.short"),
            &mut differences,
        );
        let found = differences
            .into_vec()
            .into_iter()
            .map(|difference| difference.expected);
        assert_eq!(found.collect::<Vec<_>>(), expected, "{header} {body}");
    }

    #[test]
    fn tokens_and_keys_are_found_in_headers_and_bodies() {
        let token = "no part of the token in the answer";
        let secret_key = "no secret key in the answer";
        assert_compares(
            "short",
            "set CLERK_SECRET_KEY to sk_test_… or sk_live_your_key",
            &[],
        );
        assert_compares("1", r#"{"claims":"eyJzdWIiOiJ1c2VyXzEifQ"}"#, &[token]);
        assert_compares("Bearer eyJhbGciOiJSUzI1NiJ9", "", &[token]);
        assert_compares("sk_live_abcdefghijklmnop", "", &[secret_key]);
        assert_compares("1", "key=sk_test_abcdefghijklmnop;", &[secret_key]);
        let stack_trace = "no stack trace in the answer";
        for trace in [
            "thread 'main' panicked at src/main.rs:4:5",
            "Traceback (most recent call last):",
            r#"{"stack":"File \"/app/server.py\", line 12, in call"}"#,
            "Error: no key\n    at verify (/app/dist/auth.js:12:5)",
        ] {
            assert_compares("1", trace, &[stack_trace]);
        }
        assert_compares("1", "Meet at noon: see https://mcp.example.com:8443/docs.js", &[]);
        let private_key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE";
        assert_compares("1", private_key, &["no private key in the answer"]);
    }
}
