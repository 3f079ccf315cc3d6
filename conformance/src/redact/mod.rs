//! Removes secrets from everything that leaves the process: reports, error messages and terminal output.
//!
//! A secret is found in one of two ways:
//!
//! - by its value, if the run knows it: supplied and minted tokens, secret keys, and variables whose name
//!   says that they hold a secret. Such a value is found as it is, inside a JSON string, percent-encoded and
//!   in base64.
//! - by its form: JWTs, keys and tokens with Clerk's prefixes, private keys in PEM, user names and passwords
//!   in URLs, and credentials in an `Authorization` header.
//!
//! There are three ways out of the process, and all of them end here:
//!
//! - [`runner::run`](crate::runner::run) redacts its results, which reports are made of, and its errors about
//!   the target.
//! - The program redacts every error before it prints it: [`redact_text`].
//! - `compare` redacts the reports that it reads: [`redact_results`].
//!
//! A run also replaces values that differ in each run, such as ports, so that two runs can be compared.

mod forms;
mod variables;

use std::{collections::HashMap, env, sync::Arc};

use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use parking_lot::RwLock;
use url::form_urlencoded;

pub(crate) use self::forms::{contains_key, contains_token};
pub use self::variables::program_name;
use self::variables::{assignments, is_telling};
use crate::{report, results::Results};

/// Shorter values are not replaced: they occur in too many texts by chance.
const SHORTEST: usize = 6;

/// Replaces the secrets and the per-run values of one run. All clones share what they learn.
#[derive(Clone, Default)]
pub(crate) struct Redactor(Arc<RwLock<Known>>);

/// Texts to replace, each with its replacement, by the bytes that they begin with.
type Known = HashMap<[u8; SHORTEST], Vec<(String, Arc<str>)>>;

impl Redactor {
    /// Creates a redactor that knows the secrets in the environment of this process. A target inherits them
    /// and may print them.
    pub(crate) fn new() -> Self {
        let redactor = Self::default();
        for (name, value) in env::vars_os() {
            redactor.learn_variable(&name.to_string_lossy(), &value.to_string_lossy());
        }
        redactor
    }

    /// Replaces `secret` with `<name>`, in each of the encodings that this module lists.
    pub(crate) fn learn(&self, secret: &str, name: &str) {
        // The name may be the recipe of a token, which contains per-run values.
        let label = self.without_known(&format!("<{name}>")).into();
        for encoded in encodings(secret) {
            self.insert(encoded, &label);
        }
    }

    /// Replaces the value of a variable with `<name>` if the name says that it is a secret. A value in braces
    /// is a placeholder of a profile, which the run fills in.
    pub(crate) fn learn_variable(&self, name: &str, value: &str) {
        let value = value.trim();
        let is_placeholder = value.starts_with('{') && value.ends_with('}');
        if is_telling(name) && !is_placeholder {
            self.learn(value, name);
        }
    }

    /// Replaces the secrets in variables that a shell command sets, such as `API_KEY=… npm start`.
    pub(crate) fn learn_command(&self, command: &str) {
        for (name, value) in assignments(command) {
            self.learn_variable(name, value);
        }
    }

    /// Replaces `value`, which is not a secret but differs in each run, with `{name}`.
    pub(crate) fn name(&self, value: &str, name: &str) {
        self.insert(value.to_owned(), &format!("{{{name}}}").into());
    }

    /// Returns `text` without secrets. Use [`redact_own`](Self::redact_own) for texts that the suite wrote.
    pub(crate) fn redact(&self, text: &str) -> String {
        forms::hide_authorization(&self.redact_own(text))
    }

    /// Returns a text that the suite wrote without secrets. Keeps an unknown credential in an `Authorization`
    /// header: it is a malformed one that a case sends, and the reader of the report has to see it.
    pub(crate) fn redact_own(&self, text: &str) -> String {
        forms::hide(&self.without_known(text))
    }

    /// Redacts every text in `results` that is not fixed by the suite.
    pub(crate) fn redact_results(&self, results: &mut Results) {
        let own = |text: &mut String| *text = self.redact_own(text);
        let any = |text: &mut String| *text = self.redact(text);
        own(&mut results.suite.name);
        own(&mut results.target.profile);
        own(&mut results.target.address);
        results.good_token_refused.iter_mut().for_each(any);
        for case in &mut results.cases {
            own(&mut case.rerun);
            case.reason.iter_mut().chain(&mut case.known).for_each(any);
            for finding in &mut case.findings {
                own(&mut finding.expected);
                any(&mut finding.actual);
            }
            if let Some(exchange) = &mut case.exchange {
                own(&mut exchange.request);
                any(&mut exchange.response);
            }
        }
        results.baseline.iter_mut().for_each(|stale| any(&mut stale.case));
    }

    /// Adds a text to replace. The first label that a text gets stays.
    fn insert(&self, text: String, label: &Arc<str>) {
        let Some(start) = text.as_bytes().first_chunk() else {
            return;
        };
        let mut known = self.0.write();
        let same_start = known.entry(*start).or_default();
        if same_start.iter().all(|(other, _)| *other != text) {
            same_start.push((text, Arc::clone(label)));
        }
    }

    /// Replaces every known text. Where several begin at the same byte, the longest is replaced.
    fn without_known(&self, text: &str) -> String {
        let known = self.0.read();
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let same_start = rest.as_bytes().first_chunk().and_then(|start| known.get(start));
            let longest = same_start
                .into_iter()
                .flatten()
                .filter_map(|(known, label)| Some((rest.strip_prefix(known.as_str())?, label)))
                .min_by_key(|(after, _)| after.len());
            if let Some((after, label)) = longest {
                redacted.push_str(label);
                rest = after;
            } else {
                redacted.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
        redacted
    }
}

/// Redacts a text with the secrets in the environment, and escapes control characters, so that a terminal can
/// show it.
pub fn redact_text(text: &str) -> String {
    report::lines(&Redactor::new().redact(text))
}

/// Redacts results that were read from a file.
pub fn redact_results(mut results: Results) -> Results {
    Redactor::new().redact_results(&mut results);
    results
}

/// Returns `secret` as it is and in each encoding that is searched for.
fn encodings(secret: &str) -> Vec<String> {
    let json = serde_json::Value::from(secret).to_string();
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut all = vec![
        secret.to_owned(),
        json.trim_matches('"').to_owned(),
        form.replace('+', "%20"),
        form,
    ];
    for before in 0..3 {
        all.extend(base64_after(before, secret.as_bytes()));
    }
    all
}

/// Returns the base64 of `secret` within a longer text, in both alphabets. `before` is the number of bytes
/// before it, modulo 3. Leaves out the characters at both ends that also encode bits of the bytes around it.
fn base64_after(before: usize, secret: &[u8]) -> impl Iterator<Item = String> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret);
    let characters = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
    [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD]
        .into_iter()
        .filter_map(move |engine| engine.encode(&bytes).get(characters.clone()).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_in_every_encoding() {
        let redactor = Redactor::default();
        redactor.learn("it's \"a\" pass&word", "DB_PASSWORD");
        for written in [
            "it's \"a\" pass&word",
            r#"it's \"a\" pass&word"#,
            "it%27s%20%22a%22%20pass%26word",
            "it%27s+%22a%22+pass%26word",
        ] {
            assert_eq!(redactor.redact(&format!("({written})")), "(<DB_PASSWORD>)");
        }
    }

    #[test]
    fn base64_is_replaced_at_every_offset_in_both_alphabets() {
        let redactor = Redactor::default();
        let secret = "ÿþ?>~ pass word ÿþ?>~";
        redactor.learn(secret, "secret");
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "!", "!!", "!!!"] {
                let plain = format!("{before}{secret}{after}");
                for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
                    let redacted = redactor.redact(&engine.encode(&plain));
                    let (left, right) = redacted.split_once("<secret>").unwrap();
                    // Only bits of the neighbors, and at most six bits of the secret, are left.
                    assert!(left.len() <= (before.len() * 8).div_ceil(6), "{redacted}");
                    assert!(right.len() <= (after.len() * 8).div_ceil(6) + 1, "{redacted}");
                }
            }
        }
    }

    #[test]
    fn longest_known_text_is_replaced() {
        let redactor = Redactor::default();
        redactor.name("127.0.0.1:4567", "authority");
        redactor.name("http://127.0.0.1:4567", "base_url");
        redactor.learn("token-1", "one");
        redactor.learn("token-1-and-more", "two");
        redactor.learn("token-1", "three");
        assert_eq!(
            redactor.redact("token-1-and-more token-1 http://127.0.0.1:4567/mcp 127.0.0.1:4567"),
            "<two> <one> {base_url}/mcp {authority}"
        );
    }

    #[test]
    fn per_run_values_are_replaced_in_labels_too() {
        let redactor = Redactor::default();
        redactor.name("http://127.0.0.1:4567", "issuer");
        redactor.learn("the-token", r#"{"iss":"http://127.0.0.1:4567"}"#);
        assert_eq!(redactor.redact("the-token"), r#"<{"iss":"{issuer}"}>"#);
    }

    #[test]
    fn short_values_are_kept() {
        let redactor = Redactor::default();
        redactor.learn("short", "DB_PASS");
        redactor.name("", "domain");
        assert_eq!(redactor.redact("short"), "short");
        redactor.learn("hunter2", "DB_PASS");
        assert_eq!(redactor.redact("hunter2"), "<DB_PASS>");
    }

    #[test]
    fn clones_share_what_they_learn() {
        let redactor = Redactor::default();
        redactor.clone().learn("hunter2", "DB_PASS");
        assert_eq!(redactor.redact("hunter2"), "<DB_PASS>");
    }

    #[test]
    fn only_variables_with_telling_names_are_learned() {
        let redactor = Redactor::default();
        for (name, value) in [
            ("DB_PASSWORD", " two words\n"),
            ("APP_MODE", "production"),
            ("CLERK_SECRET_KEY", "{secret_key}"),
        ] {
            redactor.learn_variable(name, value);
        }
        redactor.learn_command("API_TOKEN='four words, plain' LOG=verbose npm start");
        assert_eq!(
            redactor.redact("two words, four words, plain, production, {secret_key}, verbose"),
            "<DB_PASSWORD>, <API_TOKEN>, production, {secret_key}, verbose"
        );
    }

    #[test]
    fn malformed_credentials_of_a_case_are_kept_in_its_request() {
        let redactor = Redactor::default();
        let request = "authorization: Bearer not-a-token";
        assert_eq!(redactor.redact_own(request), request);
        assert_eq!(redactor.redact(request), "authorization: Bearer <secret>");
    }
}
