use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::report;

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

/// A value in a line of a shell, in quotes or not.
const VALUE: &str = r#"(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\;&|])+"#;

/// Variables whose names say that their values are nobody's business; `env` prints them, and commands set them.
static ASSIGNMENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"\b({}=)({VALUE})", named("A-Z0-9_", ""))).ok());

/// The same in small letters, and as options: what a command line may hold besides.
static ARGUMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let (variable, option) = (named("a-z0-9_", "(?i)"), named("a-z0-9_-", "(?i)"));
    Regex::new(&format!(r"((?:\b{variable}=|(?:^|\s)--?{option}[ =]))({VALUE})")).ok()
});

/// What a target prints behind such a name: the rest of the line, for a value may have spaces in it.
static PRINTED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"\b({}=)(\S[^\n]*)", named("A-Z0-9_", ""))).ok());

/// A telling name and its value as JSON, Python and JavaScript write them.
static MEMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = named("a-z0-9_-", "(?i)");
    Regex::new(&format!(
        r#"(\b{name}["']?\s*:\s*)('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"#
    ))
    .ok()
});

/// The credentials of a header.
static CREDENTIALS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)(\bauthorization["']?\s*[:=]\s*["']?(?:bearer|basic|dpop)\s+)([^\s'"<>,]+)"#).ok()
});

/// A user and password as curl takes them.
static LOGIN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"((?:^|\s)(?:-u|--user)[ =]?)((?:'[^':]+:[^']*'|"[^":]+:[^"]*"|[^\s'":]+:[^\s'"]*))"#).ok()
});

/// A private key, as far as it's there.
static PRIVATE_KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)").ok()
});

/// The user and password of a URL.
static USER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(://)([^/?#\s'\x22@]+)@").ok());

/// Nothing but a variable, which is named and not shown.
static VARIABLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\x22?\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})\x22?$").ok());

/// A pattern for names of these characters that speak of a secret.
fn named(characters: &str, flags: &str) -> String {
    // PASS and the like are words of their own, or every bypass would be a secret; PWD alone is a folder.
    let telling = "KEY|SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL";
    format!(
        "(?:{flags}(?:[{characters}]*(?:{telling})[{characters}]*|(?:[{characters}]*[_-])?PASS(?:[_-][{characters}]*)?|[{characters}]+[_-](?:PWD|AUTH)))"
    )
}

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
        without_tokens(&hide_values(ASSIGNMENT.as_ref(), &text))
    }
}

/// A text without what looks like a token or a secret wherever it stands.
pub(crate) fn without_tokens(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, replacement) in [
        (PRIVATE_KEY.as_ref(), "<secret>"),
        (USER.as_ref(), "$1<secret>@"),
        (SUSPECT.as_ref(), "<secret>"),
    ] {
        if let Some(pattern) = pattern {
            text = pattern.replace_all(&text, replacement).into_owned();
        }
    }
    text
}

/// A command of a shell as it may be shown: without the secrets that are written into it.
pub fn shown_command(command: &str) -> String {
    [&ARGUMENT, &CREDENTIALS, &LOGIN]
        .into_iter()
        .fold(Redactor::default().clean(command), |text, pattern| {
            hide_values(pattern.as_ref(), &text)
        })
}

/// What a target printed, without secrets.
pub(crate) fn printed(text: &str) -> String {
    [&PRINTED, &MEMBER, &CREDENTIALS]
        .into_iter()
        .fold(without_tokens(text), |text, pattern| {
            hide_values(pattern.as_ref(), &text)
        })
}

/// A text of whatever origin as a terminal may show it: without secrets, and without what acts on the terminal.
pub fn shown_text(text: &str) -> String {
    report::lines(&printed(text))
}

/// Hides what comes after a name, unless it is a variable's name, or the next option.
fn hide_values(pattern: Option<&Regex>, text: &str) -> String {
    let Some(pattern) = pattern else {
        return text.to_owned();
    };
    let replaced = pattern.replace_all(text, |found: &Captures<'_>| {
        let (whole, [name, value]) = found.extract();
        let is_variable = VARIABLE.as_ref().is_some_and(|variable| variable.is_match(value));
        let is_option = name.ends_with(' ') && value.starts_with('-');
        if is_variable || is_option {
            whole.to_owned()
        } else {
            format!("{name}<secret>")
        }
    });
    replaced.into_owned()
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

    #[test]
    fn what_a_command_sets_is_taken_out() {
        for (command, due) in [
            (
                "CLERK_SECRET_KEY=abc npm start",
                "CLERK_SECRET_KEY=<secret> npm start",
            ),
            (
                "env DB_PASSWORD='a b'\\''c' TOKENS=\"x\\\"y\" PORT=1 ./run",
                "env DB_PASSWORD=<secret> TOKENS=<secret> PORT=1 ./run",
            ),
            ("A_KEY=$B_KEY C_KEY=\"${D}\" x", "A_KEY=$B_KEY C_KEY=\"${D}\" x"),
            (
                "x --api-key abc --token=def --port 1",
                "x --api-key <secret> --token=<secret> --port 1",
            ),
            (
                "x --db postgres://me:pw@host/db",
                "x --db postgres://<secret>@host/db",
            ),
            ("x client_secret=abc; y", "x client_secret=<secret>; y"),
            ("x --show-keys --port 1", "x --show-keys --port 1"),
            (
                "DB_PASS=abc PGPASSWD=x SESSION_CREDENTIAL=y ./run",
                "DB_PASS=<secret> PGPASSWD=<secret> SESSION_CREDENTIAL=<secret> ./run",
            ),
            ("x --pass abc --port 1", "x --pass <secret> --port 1"),
            (
                "curl -H 'Authorization: Bearer abc' -u me:pw x",
                "curl -H 'Authorization: Bearer <secret>' -u <secret> x",
            ),
            ("curl --user me:pw x", "curl --user <secret> x"),
            (
                "x -u service --passive --bypass 1",
                "x -u service --passive --bypass 1",
            ),
            ("npm start", "npm start"),
        ] {
            assert_eq!(shown_command(command), due);
        }
    }

    #[test]
    fn an_environment_is_printed_without_its_secrets() {
        assert_eq!(
            shown_text("AWS_SECRET_ACCESS_KEY=a/b+c\nHOME=/\u{1b}[2J\nkey=value"),
            "AWS_SECRET_ACCESS_KEY=<secret>\nHOME=/\\u{1b}[2J\nkey=value"
        );
        for (text, due) in [
            ("DB_PASSWORD=two words\nPORT=1", "DB_PASSWORD=<secret>\nPORT=1"),
            ("DB_PASS=a\nPWD=/srv", "DB_PASS=<secret>\nPWD=/srv"),
            ("SESSION_CREDENTIAL=a", "SESSION_CREDENTIAL=<secret>"),
            (
                "KEY=-----BEGIN PRIVATE KEY-----\nMIIE\nvQIB\n-----END PRIVATE KEY-----\nPORT=1",
                "KEY=<secret>\nPORT=1",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- x",
                "<secret> x",
            ),
            // As far as it was printed.
            ("-----BEGIN PRIVATE KEY-----\nMIIE\nvQ", "<secret>"),
            (
                "{'DB_PASSWORD': 'a b', 'PORT': '1'}",
                "{'DB_PASSWORD': <secret>, 'PORT': '1'}",
            ),
            (
                "{\"client_secret\":\"a\\\"b\",\"id\":1}",
                "{\"client_secret\":<secret>,\"id\":1}",
            ),
            ("  CLERK_SECRET_KEY: 'abc',", "  CLERK_SECRET_KEY: <secret>,"),
            (
                "sent Authorization: Basic bWU6cHc=",
                "sent Authorization: Basic <secret>",
            ),
            (
                "CLERK_SECRET_KEY: Clerk Dashboard, API keys",
                "CLERK_SECRET_KEY: Clerk Dashboard, API keys",
            ),
            ("Bearer token is missing", "Bearer token is missing"),
        ] {
            assert_eq!(shown_text(text), due);
        }
    }
}
