//! Searches everything that targets print for tokens and keys, while they print it.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::redact::{contains_key, contains_token};

/// How many lines with keys are kept, and how many with tokens.
const MAX_LINES: usize = 3;
/// How long a line may become before it is searched in parts.
const MAX_PART: usize = 64 * 1024;
/// How much of a part is searched again with the next part, because a secret may be cut in two.
const OVERLAP: usize = 4 * 1024;

/// The first lines with secrets that the targets of a run printed. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct PrintedSecrets(Arc<Mutex<Lines>>);

/// Lines with secrets. They are not redacted.
#[derive(Clone, Default)]
pub(crate) struct Lines {
    /// Lines with a secret key or a private key.
    pub(crate) with_keys: Vec<String>,
    /// Lines with a token and without a key.
    pub(crate) with_tokens: Vec<String>,
}

impl PrintedSecrets {
    /// Returns the lines.
    pub(crate) fn lines(&self) -> Lines {
        self.0.lock().clone()
    }

    /// Searches each line of a text.
    pub(super) fn search(&self, text: &str) {
        let mut found = self.0.lock();
        for line in text.lines() {
            let lines = if contains_key(line) {
                &mut found.with_keys
            } else if contains_token(line) {
                &mut found.with_tokens
            } else {
                continue;
            };
            if lines.len() < MAX_LINES {
                lines.push(line.to_owned());
            }
        }
    }

    /// Returns a search of one output stream.
    pub(super) fn stream(&self) -> StreamSearch {
        StreamSearch {
            found: self.clone(),
            unsearched: Vec::new(),
        }
    }
}

/// The search of one output stream. Dropping it searches the last line.
pub(super) struct StreamSearch {
    found: PrintedSecrets,
    unsearched: Vec<u8>,
}

impl StreamSearch {
    /// Adds bytes, which can end within a line.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.unsearched.extend_from_slice(bytes);
        let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(position) => self.unsearched.len() - bytes.len() + position + 1,
            None if self.unsearched.len() > MAX_PART => self.unsearched.len() - OVERLAP,
            None => return,
        };
        let overlap = if self.unsearched.get(end.saturating_sub(1)) == Some(&b'\n') {
            0
        } else {
            OVERLAP
        };
        let searched = self.unsearched.get(..end + overlap).unwrap_or(&self.unsearched);
        self.found.search(&String::from_utf8_lossy(searched));
        self.unsearched.drain(..end);
    }
}

impl Drop for StreamSearch {
    fn drop(&mut self) {
        self.found.search(&String::from_utf8_lossy(&self.unsearched));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sk_test_0123456789abcdef";

    #[test]
    fn secrets_are_found_where_they_are_cut_in_two() {
        for (before, after) in [(0, 0), (MAX_PART - 5, 10), (3 * MAX_PART, MAX_PART)] {
            for piece in [7, 8 * 1024] {
                let text = format!("{}{SECRET} {}", "x ".repeat(before), "y ".repeat(after));
                let printed = PrintedSecrets::default();
                let mut stream = printed.stream();
                for bytes in text.as_bytes().chunks(piece) {
                    stream.add(bytes);
                }
                drop(stream);
                assert!(
                    printed.lines().with_keys[0].contains(SECRET),
                    "{before} {after} {piece}"
                );
            }
        }
    }

    #[test]
    fn lines_without_secrets_are_not_kept() {
        let printed = PrintedSecrets::default();
        let mut stream = printed.stream();
        stream.add(b"set CLERK_SECRET_KEY to sk_test_...\nlistening");
        drop(stream);
        let Lines {
            with_keys,
            with_tokens,
        } = printed.lines();
        assert_eq!((with_keys.len(), with_tokens.len()), (0, 0));
    }

    /// A server that prints the token of each request must not hide that it also prints a key.
    #[test]
    fn keys_are_kept_apart_from_tokens() {
        let printed = PrintedSecrets::default();
        let token = "rejected eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2ln\n";
        printed.search(&format!("{}{SECRET}\n", token.repeat(MAX_LINES + 1)));
        let lines = printed.lines();
        assert_eq!(lines.with_keys, [SECRET]);
        assert_eq!(lines.with_tokens, vec![token.trim_end(); MAX_LINES]);
    }
}
