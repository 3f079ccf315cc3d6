//! Reads the file `.env`. Errors and warnings name the line and the variable, but no value.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{ConfigError, InvalidVariable, VARIABLES};
use crate::nearest::nearest;

/// The contents of a `.env` file.
#[derive(Debug, Default)]
pub(super) struct Dotenv {
    pub(super) values: HashMap<String, String>,
    /// Names that occur twice or are probably misspelled.
    pub(super) warnings: Vec<String>,
}

impl Dotenv {
    /// Reads the file at `path`. A missing file is empty.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        match fs::read(path) {
            Ok(bytes) => {
                let mut lines = bytes.split(|byte| *byte == b'\n');
                if let Some(index) = lines.position(|line| str::from_utf8(line).is_err()) {
                    let line = index + 1;
                    return Err(fault(format!(
                        "line {line} is not UTF-8 text; save the file as UTF-8"
                    )));
                }
                let text = String::from_utf8_lossy(&bytes);
                // Some editors put a byte order mark before the first name.
                Self::parse(text.strip_prefix('\u{feff}').unwrap_or(&text))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(fault(format!("cannot read the file ({})", error.kind()))),
        }
    }

    fn parse(text: &str) -> Result<Self, ConfigError> {
        let lines_read = AtomicUsize::new(0);
        let source = LineByLine {
            rest: text.as_bytes(),
            lines_read: &lines_read,
        };
        let mut file = Self::default();
        let mut lines: HashMap<String, usize> = HashMap::new();
        for entry in dotenvy::from_read_iter(source) {
            let line = lines_read.load(Ordering::Relaxed);
            // The text of the error contains the line, which may contain a secret.
            let (name, value) = entry.map_err(|error| fault(syntax_error(text, line, &error)))?;
            if let Some(first) = lines.insert(name.clone(), line) {
                file.warnings.push(format!(
                    ".env sets {name} on lines {first} and {line}; line {line} is used. Remove one of them"
                ));
            } else if let Some(meant) = misspelled(&name) {
                file.warnings.push(format!(
                    ".env sets {name} on line {line}, which has no effect; did you mean {meant}?"
                ));
            }
            file.values.insert(name, value);
        }
        Ok(file)
    }
}

fn fault(reason: String) -> ConfigError {
    ConfigError::invalid(vec![InvalidVariable::new(".env", reason)])
}

/// Returns the variable that `name` is probably a misspelling of. Returns `None` for the exact name of a
/// variable, and for a name that resembles none: the file can contain variables of other programs.
fn misspelled(name: &str) -> Option<&'static str> {
    let known = || VARIABLES.iter().map(|variable| variable.name);
    if known().any(|one| one == name) {
        None
    } else {
        nearest(name, known())
    }
}

/// Describes an error without the text of the line. `last_line` is the number of the last line that was read.
fn syntax_error(text: &str, last_line: usize, error: &dotenvy::Error) -> String {
    let dotenvy::Error::LineParse(entry, position) = error else {
        return format!("line {last_line} cannot be read");
    };
    // A value in quotes can span several lines.
    let line = (last_line + 1).saturating_sub(entry.lines().count().max(1));
    let first = text
        .lines()
        .nth(line.saturating_sub(1))
        .unwrap_or_default()
        .trim_start();
    let first = first.strip_prefix("export ").unwrap_or(first).trim_start();
    let length = first
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(first.len());
    let (name, rest) = first.split_at(length);
    let reason = if !rest.trim_start().starts_with('=') {
        "expected NAME=value"
    } else if *position == entry.len() {
        "the quote is not closed"
    } else {
        "put the value in single quotes, because it contains spaces, quotes or backslashes"
    };
    // Names only our variables, and misspellings of them: other text before `=` may be part of a secret.
    let is_name = misspelled(name).is_some() || VARIABLES.iter().any(|variable| variable.name == name);
    if is_name {
        format!("line {line}: {name}: {reason}")
    } else {
        format!("line {line}: {reason}")
    }
}

/// Returns one line per call of `read`, and counts the lines. The parser reads a line only when it needs one,
/// so the count is the number of the line that it has reached.
struct LineByLine<'a> {
    rest: &'a [u8],
    lines_read: &'a AtomicUsize,
}

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.iter().position(|byte| *byte == b'\n');
        let length = line.map_or(self.rest.len(), |end| end + 1).min(buffer.len());
        let (chunk, rest) = self.rest.split_at(length);
        if let Some(target) = buffer.get_mut(..length) {
            target.copy_from_slice(chunk);
        }
        if chunk.ends_with(b"\n") || (!chunk.is_empty() && rest.is_empty()) {
            self.lines_read.fetch_add(1, Ordering::Relaxed);
        }
        self.rest = rest;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn error(text: &str) -> String {
        Dotenv::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_line_and_the_variable_but_no_value() {
        let texts = [
            "BASE_URL=http://localhost:3001\n\n# A comment\nCLERK_SECRET_KEY sk_test_hush\nPORT=1\n",
            "PORT=1\nCLERK_DOMAIN=hush hush\n",
            "PORT=1\nCLERK_JWT_KEY=\"-----BEGIN PUBLIC KEY-----\nhush\nhush\n",
            "PORT=1\n\nsk_test_hush\n",
            "export CLERK_SECRET_KEY=sk_test_hush '\n",
            "CLERK_JWT_KEY=\"-----BEGIN\nEND-----\"\nCLERK_DOMAIN=hush\\x\n",
        ];
        insta::assert_snapshot!(texts.map(error).join("\n"), @"
        [Clerk] Invalid config: .env: line 4: CLERK_SECRET_KEY: expected NAME=value
        [Clerk] Invalid config: .env: line 2: CLERK_DOMAIN: put the value in single quotes, because it contains spaces, quotes or backslashes
        [Clerk] Invalid config: .env: line 2: CLERK_JWT_KEY: the quote is not closed
        [Clerk] Invalid config: .env: line 3: expected NAME=value
        [Clerk] Invalid config: .env: line 1: CLERK_SECRET_KEY: the quote is not closed
        [Clerk] Invalid config: .env: line 3: CLERK_DOMAIN: put the value in single quotes, because it contains spaces, quotes or backslashes
        ");
    }

    #[test]
    fn duplicates_and_misspelled_names_cause_a_warning() {
        let text = "CLERK_DOMIAN=hush\nDATABASE_URL=hush\nPORT=1\n# PORT=2\nPORT=3\nclerk_secret_key=hush\n";
        let file = Dotenv::parse(text).unwrap();
        assert_eq!(file.values["PORT"], "3");
        insta::assert_snapshot!(file.warnings.join("\n"), @"
        .env sets CLERK_DOMIAN on line 1, which has no effect; did you mean CLERK_DOMAIN?
        .env sets PORT on lines 3 and 5; line 5 is used. Remove one of them
        .env sets clerk_secret_key on line 6, which has no effect; did you mean CLERK_SECRET_KEY?
        ");
    }

    #[test]
    fn values_can_span_lines_and_contain_other_variables() {
        let file = Dotenv::parse("A=x\nB=\"1\n2\"\nC=${A}y\nPORT=1\nPORT=2\n").unwrap();
        assert_eq!(
            (file.values["B"].as_str(), file.values["C"].as_str()),
            ("1\n2", "xy")
        );
        assert!(
            file.warnings[0].contains("on lines 5 and 6; line 6 is used"),
            "{:?}",
            file.warnings
        );
    }
}
