//! The secrets that are written into a command of a shell.

use std::{mem::take, ops::Range};

use super::{
    forms,
    names::{is_harmless, telling},
    random::looks_random,
};

/// A secret in a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// Where, with its quotes.
    pub(super) range: Range<usize>,
    /// What the shell makes of it.
    pub(super) value: String,
}

/// A word as the shell sees it: its bytes without quotes, each with the place where it is written.
#[derive(Default)]
struct Word {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
    range: Range<usize>,
}

/// Everything in a command that is secret by the name before it, by its form, or because it looks random.
pub(super) fn secrets(command: &str) -> Vec<Written> {
    // A here-document is a file.
    let file = command.find("<<").unwrap_or(command.len());
    let in_file = forms::in_files(command.get(file..).unwrap_or_default());
    let in_file = in_file
        .into_iter()
        .map(|range| file + range.start..file + range.end);
    let mut all: Vec<Written> = forms::tokens(command)
        .into_iter()
        .chain(in_file)
        .map(|range| Written {
            value: command.get(range.clone()).unwrap_or_default().to_owned(),
            range,
        })
        .collect();
    let mut option = String::new();
    for word in words(command) {
        let text = word.text();
        let before = take(&mut option);
        let (name, start) = match text.split_once('=') {
            Some((name, _)) if is_name(name) && !word.is_quoted() => (name, name.len() + 1),
            _ if text.starts_with('-') => {
                option.clone_from(&text);
                ("", 0)
            }
            _ => (before.as_str(), 0),
        };
        let value = text.get(start..).unwrap_or_default();
        if is_secret(name, value) {
            // Together with its quotes.
            let written = if start == 0 {
                word.range.start
            } else {
                word.end_of(start)
            };
            all.push(Written {
                range: written..word.range.end,
                value: value.to_owned(),
            });
            continue;
        }
        let mut inside: Vec<(Range<usize>, String)> = forms::in_commands(value)
            .into_iter()
            .map(|range| (range.clone(), value.get(range).unwrap_or_default().to_owned()))
            .collect();
        // A command within a command, or a list of its options: without the quotes it is shorter.
        if value.contains(char::is_whitespace) && value.len() < command.len() {
            inside.extend(secrets(value).into_iter().map(|one| (one.range, one.value)));
        }
        for (range, value) in inside {
            if let Some(range) = word.place(start + range.start..start + range.end) {
                all.push(Written { range, value });
            }
        }
    }
    all
}

fn is_secret(name: &str, value: &str) -> bool {
    let is_login = ["u", "user"].contains(&name.trim_start_matches('-')) && value.contains(':');
    !is_harmless(value) && (telling(name).is_some() || is_login || looks_random(value))
}

/// Whether it can be the name of a variable or an option.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || "_.-".contains(one))
}

impl Word {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Whether it begins with a quote, as a command within a command does.
    fn is_quoted(&self) -> bool {
        self.places
            .first()
            .is_some_and(|place| place.start > self.range.start)
    }

    /// Where these bytes are written.
    fn place(&self, range: Range<usize>) -> Option<Range<usize>> {
        let start = self.places.get(range.start)?.start;
        Some(start..self.end_of(range.end))
    }

    /// Where the byte before this one is written to its end.
    fn end_of(&self, byte: usize) -> usize {
        let last = byte.checked_sub(1).and_then(|last| self.places.get(last));
        last.map_or(self.range.start, |place| place.end)
    }

    fn push(&mut self, one: char, at: usize) {
        let place = at..at + one.len_utf8();
        let mut buffer = [0; 4];
        for byte in one.encode_utf8(&mut buffer).bytes() {
            self.bytes.push(byte);
            self.places.push(place.clone());
        }
    }
}

/// The words, as far as they can be told without running anything.
fn words(command: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    let mut characters = command.char_indices().peekable();
    while let Some((at, one)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        let separates = quote.is_none() && (one.is_whitespace() || ";&|()<>`".contains(one));
        if separates {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_with(|| Word {
            range: at..at,
            ..Word::default()
        });
        word.range.end = at + one.len_utf8();
        match (quote, one) {
            (Some(open), _) if one == open => quote = None,
            (None, '\'' | '"') => quote = Some(one),
            (None, '$') if matches!(next, Some('\'' | '"')) => {}
            (None | Some('"'), '\\')
                if quote.is_none() || next.is_some_and(|next| "\\\"$`\n".contains(next)) =>
            {
                if let Some((at, escaped)) = characters.next() {
                    word.range.end = at + escaped.len_utf8();
                    if escaped != '\n' {
                        word.push(escaped, at);
                    }
                }
            }
            _ => word.push(one, at),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(command: &str) -> Vec<String> {
        words(command).iter().map(Word::text).collect()
    }

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(
            texts("A='a b'\\''c' \"x\\\"y\\n\" $'z'; b=\\\n1 `c` \"\" d|e"),
            ["A=a b'c", "x\"y\\n", "z", "b=1", "c", "", "d", "e"]
        );
    }

    #[test]
    fn what_is_secret_is_known_as_the_shell_sees_it() {
        for (command, due) in [
            ("K=1 DB_PASSWORD='a b'\\''c' x", &["a b'c"][..]),
            ("sh -c \"API_TOKEN='two words' x --port 1\"", &["two words"]),
            (
                "STRIPE=Zq8Lk2Vn5Xw9Tb3Rm7Yc1Hd4 x --conn 9f86d081884c7d659a2f",
                &["Zq8Lk2Vn5Xw9Tb3Rm7Yc1Hd4", "9f86d081884c7d659a2f"],
            ),
            ("x '{\"client_secret\": \"a b\"}'", &["a b"]),
            ("curl -H 'X-Api-Key: a b' h:80", &["a b"]),
            ("curl -u me:pw https://h/x\\?api_key=abc\\&y=1", &["me:pw", "abc"]),
            (
                "cat >c <<E\npassword: pw number 1\napi_key = \"pw2\"\nDB_PASSWORD=pw number 3\nport: 1\nE\nrun",
                &["pw2", "pw number 3", "pw2", "pw", "pw number 1", "pw"],
            ),
            (
                "curl -H 'Authorization: swordfish' --header=Authorization:swordfish2 h",
                &["swordfish", "swordfish2"],
            ),
            (
                "NODE_ENV=production URL=http://h:80/a x --max-old-space-size=4096 ./a.js",
                &[],
            ),
        ] {
            let mut values: Vec<String> = secrets(command)
                .into_iter()
                .map(|one| one.value.trim_matches(['"', '\'']).to_owned())
                .collect();
            values.dedup();
            assert_eq!(values, due, "{command}");
        }
    }
}
