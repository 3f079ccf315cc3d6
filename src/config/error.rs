//! [`ConfigError`]: all errors of a configuration.

use std::fmt;

use thiserror::Error;

/// All errors of a configuration, with remedies. `Debug` prints the same text as `Display`, because a `main`
/// that returns an error prints it with `Debug`.
#[derive(Clone, Default, PartialEq, Eq, Error)]
pub struct ConfigError {
    pub(super) missing: Vec<MissingVariable>,
    pub(super) invalid: Vec<InvalidVariable>,
    /// Warnings about the `.env` file, because its mistakes can be the cause.
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MissingVariable {
    pub(super) variable: &'static str,
    pub(super) source: &'static str,
}

/// One invalid variable or file.
///
/// ```
/// use clerk_mcp::config::{ConfigError, InvalidVariable};
///
/// let error = ConfigError::invalid(vec![InvalidVariable::new("MY_GREETING", "expected a text without line breaks")]);
/// assert_eq!(error.to_string(), "[Clerk] Invalid config: MY_GREETING: expected a text without line breaks");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidVariable {
    subject: &'static str,
    reason: String,
}

impl InvalidVariable {
    /// Creates the error of `subject`, the name of a variable or file. `reason` must not contain a secret.
    pub fn new(subject: &'static str, reason: impl Into<String>) -> Self {
        Self {
            subject,
            reason: reason.into(),
        }
    }
}

impl ConfigError {
    /// Creates an error without missing variables.
    pub fn invalid(invalid: Vec<InvalidVariable>) -> Self {
        Self {
            invalid,
            ..Self::default()
        }
    }

    /// Returns whether `subject` is reported as invalid.
    pub(super) fn names(&self, subject: &str) -> bool {
        self.invalid.iter().any(|fault| fault.subject == subject)
    }

    /// Combines two errors.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.missing.extend(other.missing);
        self.invalid.extend(other.invalid);
        self.warnings.extend(other.warnings);
        self
    }

    /// Returns whether required variables are missing.
    #[cfg(feature = "cli")]
    pub(crate) fn is_incomplete(&self) -> bool {
        !self.missing.is_empty()
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        if !self.missing.is_empty() {
            let names: Vec<_> = self.missing.iter().map(|one| one.variable).collect();
            lines.push(format!("[Clerk] Missing required config: {}", names.join(", ")));
            let sources = self.missing.iter();
            lines.extend(sources.map(|one| format!("  {}: {}", one.variable, one.source)));
        }
        for InvalidVariable { subject, reason } in &self.invalid {
            lines.push(format!("[Clerk] Invalid config: {subject}: {reason}"));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("[Clerk] {warning}")));
        f.write_str(&lines.join("\n"))
    }
}
