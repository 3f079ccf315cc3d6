use std::sync::LazyLock;

use regex::Regex;

/// Takes tokens and secrets out of texts before they get into results.
///
/// Known ones become what they are; whatever else looks like one is taken out, too, for a target may say things that
/// nobody here has made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactor {
    /// Each with what is put in its place; the longest first, for one may be part of another.
    known: Vec<(String, String)>,
}

/// JSON Web Tokens, and Clerk's secrets with their prefixes.
static SUSPECT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)*|\b(?:sk_(?:test|live)|oat|mt|ak)_[A-Za-z0-9/+=]{8,}",
    )
    .ok()
});

/// A part of a token that is long enough to be one.
const TELLING_PART: usize = 16;

impl Redactor {
    /// From now on `secret` is shown as `name`, and so is each of its parts.
    pub(crate) fn know(&mut self, secret: &str, name: &str) {
        if secret.len() < 8 {
            return;
        }
        self.known.push((secret.to_owned(), format!("<{name}>")));
        for part in secret
            .split('.')
            .filter(|part| part.len() >= TELLING_PART && *part != secret)
        {
            self.known.push((part.to_owned(), format!("<part of {name}>")));
        }
        self.known
            .sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
    }

    /// From now on `value`, which is no secret, is shown as `name`.
    pub(crate) fn name(&mut self, value: &str, name: &str) {
        if !value.is_empty() {
            self.known.push((value.to_owned(), name.to_owned()));
            self.known
                .sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        }
    }

    /// The text without secrets.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (secret, name) in &self.known {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), name);
            }
        }
        match SUSPECT.as_ref() {
            Some(suspect) => suspect.replace_all(&text, "<secret>").into_owned(),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_known_and_unknown_are_taken_out() {
        let mut redactor = Redactor::default();
        redactor.know(
            "header-of-token-1.claims-of-token-1.signature-of-token",
            "session_token",
        );
        let text = redactor.clean(
            "Bearer header-of-token-1.claims-of-token-1.signature-of-token; claims-of-token-1; \
             eyJhbGciOiJub25lIn0.e30. sk_test_0123456789abcdef ak_0123456789 peak_0123456789",
        );
        assert_eq!(
            text,
            "Bearer <session_token>; <part of session_token>; <secret> <secret> <secret> peak_0123456789"
        );
    }
}
