//! [`Reader`]: reads variables one by one, and collects their errors.

use super::{ConfigError, InvalidVariable, VARIABLES, Variables, error::MissingVariable};

/// Reads variables and collects their errors.
pub(super) struct Reader<'a> {
    variables: &'a Variables,
    error: ConfigError,
}

impl<'a> Reader<'a> {
    pub(super) fn new(variables: &'a Variables) -> Self {
        Self {
            variables,
            error: ConfigError::invalid(variables.faults().to_vec()),
        }
    }

    /// Returns the value if the variable is set and valid. If it is invalid, records the error of `parse`,
    /// which says what was expected.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.variables.get(name)?;
        match copying_mistake(text).map_or_else(|| parse(text), Err) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.fault(
                    name,
                    if may_show(name, text) {
                        format!("{reason}, got {text:?}")
                    } else {
                        reason
                    },
                );
                None
            }
        }
    }

    /// Returns the value, or `default` if the variable is not set or is invalid. An invalid value is recorded
    /// as an error, so the default is never used in that case.
    pub(super) fn or<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        self.optional(name, parse).unwrap_or(default)
    }

    /// Returns the value of a required variable. `source` tells the operator where to get the value.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        source: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        // A file that cannot be read is reported already: the one that the variable `…_FILE` names, or a systemd
        // credential.
        let is_reported = self.error.names(name) || self.error.names(&format!("{name}_FILE"));
        if self.variables.get(name).is_none() && !is_reported {
            self.missing(name, source);
        }
        self.optional(name, parse)
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.variables.get(name).is_some()
    }

    pub(super) fn missing(&mut self, variable: &'static str, source: &'static str) {
        self.error.missing.push(MissingVariable { variable, source });
    }

    pub(super) fn fault(&mut self, variable: &'static str, reason: String) {
        self.error.invalid.push(InvalidVariable::new(variable, reason));
    }

    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        if self.error == ConfigError::default() {
            return Ok(());
        }
        self.error.warnings = self.variables.warnings().to_vec();
        Err(self.error)
    }
}

/// Returns whether an error message may contain the value. Returns `false` for a secret variable, for a text
/// that looks like a secret in the wrong variable, and for a URL that may contain a password (`@`).
pub(super) fn may_show(name: &str, text: &str) -> bool {
    let secret = VARIABLES
        .iter()
        .any(|variable| variable.name == name && variable.secret);
    // A private key may have been put into CLERK_JWT_KEY.
    !secret
        && name != "CLERK_JWT_KEY"
        && !text.contains("sk_")
        && !text.contains('@')
        && !text.contains("-----BEGIN")
}

/// Returns why a value is probably a copying mistake: it has quotes or curly quotes, contains `${…}`, or is a
/// placeholder. For example, `docker --env-file` keeps quotes and does not replace `${…}`.
pub(crate) fn copying_mistake(text: &str) -> Option<String> {
    if text.contains(['“', '”', '„', '‘', '’']) {
        return Some(
            "expected the value without curly quotes, which some editors and web pages put in place of straight ones"
                .to_owned(),
        );
    }
    let is_quote = |c: char| matches!(c, '"' | '\'' | '`');
    if text.starts_with(is_quote) || text.ends_with(is_quote) {
        return Some("expected the value without quotes".to_owned());
    }
    if text.contains("${") {
        return Some("expected the value itself, but ${…} was not replaced".to_owned());
    }
    is_placeholder(text)
        .then(|| "this is a placeholder; replace it with the value of your application".to_owned())
}

/// Returns whether a value was copied from documentation, such as `sk_test_…`, `sk_test_xxxx`, `<domain>` or
/// `your-app-12.clerk.accounts.dev`.
fn is_placeholder(text: &str) -> bool {
    let body = ["sk_test_", "sk_live_", "pk_test_", "pk_live_"]
        .into_iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    let is_masked =
        |body: &str| body.len() > 2 && body.bytes().all(|byte| matches!(byte, b'x' | b'X' | b'*' | b'.'));
    let starts_with_your = |text: &str| {
        text.get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("your-") || start.eq_ignore_ascii_case("your_"))
    };
    text.contains('…')
        || text.contains("...")
        || (text.starts_with('<') && text.ends_with('>'))
        || (text.ends_with(".clerk.accounts.dev") && starts_with_your(text))
        || body.is_some_and(|body| is_masked(body) || starts_with_your(body))
}
