//! Secrets that are known by their values: wherever one stands, whole or in part, it is found.

use std::{collections::HashMap, ops::Range, sync::Arc};

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, Engine as _};

use super::{random::is_telling, views::View};

/// What is shorter stands in too many texts for another reason.
pub(super) const SHORTEST: usize = 6;
/// A part of a token or key of this length cannot be there by chance.
const PART: usize = 12;
/// A shorter one of letters and digits alone may be a part of a word.
const WORD: usize = 12;

/// Values, and what is put in their places.
#[derive(Clone, Default)]
pub(super) struct Known {
    values: Vec<Value>,
    /// The values that begin so.
    starts: HashMap<[u8; SHORTEST], Vec<usize>>,
    /// What is put in place of such a part.
    parts: HashMap<[u8; PART], Arc<str>>,
}

#[derive(Clone)]
struct Value {
    bytes: Vec<u8>,
    label: Arc<str>,
    /// It is one only where no letter or digit is beside it.
    is_word: bool,
}

/// Which parts of a value are taken out where the value isn't whole.
#[derive(Clone, Copy)]
pub(super) enum Parts<'a> {
    /// None: it is made of words that may stand anywhere.
    None,
    /// Those that look random; this is put in their places.
    Random(&'a str),
    /// All of them.
    All(&'a str),
}

/// Something to take out of a text.
pub(super) struct Found {
    pub(super) range: Range<usize>,
    pub(super) label: Arc<str>,
}

impl Known {
    /// Every occurrence of `value` is to become `label`.
    pub(super) fn add(&mut self, value: &str, label: &str, parts: Parts<'_>) {
        if value.len() < SHORTEST || self.values.iter().any(|known| known.bytes == value.as_bytes()) {
            return;
        }
        let is_word = value.len() < WORD && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let label: Arc<str> = label.into();
        self.push(value.as_bytes(), &label, is_word);
        for encoded in in_base64(value.as_bytes()) {
            self.push(encoded.as_bytes(), &label, false);
        }
        let (part, every): (Arc<str>, bool) = match parts {
            Parts::None => return,
            Parts::Random(part) => (part.into(), false),
            Parts::All(part) => (part.into(), true),
        };
        // A token that is encoded and then cut off, or wrapped, is one of which parts are encoded.
        let encoded = if every {
            in_base64(value.as_bytes())
        } else {
            Vec::new()
        };
        for text in encoded.iter().map(String::as_str).chain([value]) {
            let windows = text.as_bytes().windows(PART);
            for window in windows.filter(|window| every || is_telling(window)) {
                if let Ok(window) = window.try_into() {
                    self.parts.entry(window).or_insert_with(|| Arc::clone(&part));
                }
            }
        }
    }

    fn push(&mut self, bytes: &[u8], label: &Arc<str>, is_word: bool) {
        if let Some(start) = bytes.first_chunk() {
            self.starts.entry(*start).or_default().push(self.values.len());
            self.values.push(Value {
                bytes: bytes.to_owned(),
                label: Arc::clone(label),
                is_word,
            });
        }
    }

    /// Where they are in a text, in whatever way it writes them.
    pub(super) fn find(&self, text: &str) -> Vec<Found> {
        if self.values.is_empty() {
            return Vec::new();
        }
        let mut found = self.cut_off(text);
        for view in View::all(text) {
            let bytes = view.bytes();
            let mut at = 0;
            while at < bytes.len() {
                let Some((length, label)) = self.at(bytes, at) else {
                    at += 1;
                    continue;
                };
                if let Some(range) = view.place(&(at..at + length)) {
                    found.push(Found { range, label });
                }
                at += length;
            }
        }
        found
    }

    /// How much of the bytes is secret from here on: the longest value, or as much as is part of one.
    fn at(&self, bytes: &[u8], at: usize) -> Option<(usize, Arc<str>)> {
        let rest = bytes.get(at..)?;
        let starting = rest.first_chunk().and_then(|start| self.starts.get(start));
        let whole = starting
            .into_iter()
            .flatten()
            .filter_map(|index| self.values.get(*index))
            .filter(|value| {
                rest.starts_with(&value.bytes) && !(value.is_word && is_inside(bytes, at, value.bytes.len()))
            })
            .max_by_key(|value| value.bytes.len());
        if let Some(value) = whole {
            return Some((value.bytes.len(), Arc::clone(&value.label)));
        }
        let label = self.parts.get(rest.first_chunk()?)?;
        let windows = rest
            .windows(PART)
            .take_while(|window| self.parts.contains_key(*window))
            .count();
        Some((windows + PART - 1, Arc::clone(label)))
    }

    /// What was cut off with an ellipsis, of which only the beginning is there.
    fn cut_off(&self, text: &str) -> Vec<Found> {
        let bytes = text.as_bytes();
        let longest = self.values.iter().map(|value| value.bytes.len()).max();
        let mut found = Vec::new();
        let mut looked_at = 0;
        for (end, _) in text.match_indices('…') {
            // What begins before another ellipsis has been looked at there.
            let first = end.saturating_sub(longest.unwrap_or_default()).max(looked_at);
            let last = end.saturating_sub(PART - 1);
            let beginning = (first..last).find_map(|at| Some((at, self.beginning(bytes.get(at..end)?)?)));
            if let Some((start, label)) = beginning {
                found.push(Found {
                    range: start..end,
                    label,
                });
            }
            looked_at = end;
        }
        found
    }

    /// What a value is called that begins like all of this.
    fn beginning(&self, bytes: &[u8]) -> Option<Arc<str>> {
        let starting = self.starts.get(bytes.first_chunk()?)?;
        let values = starting.iter().filter_map(|index| self.values.get(*index));
        let mut values = values.filter(|value| value.bytes.starts_with(bytes));
        values.next().map(|value| Arc::clone(&value.label))
    }
}

/// Whether a letter or digit stands beside these bytes.
fn is_inside(bytes: &[u8], at: usize, length: usize) -> bool {
    let is_beside = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    is_beside(at.checked_sub(1).and_then(|before| bytes.get(before))) || is_beside(bytes.get(at + length))
}

/// What is the same in every base64 text that the value is a part of: where it begins within three bytes, and what
/// comes before and after it, change the rest.
fn in_base64(value: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    for skipped in 0..3 {
        let inner = value.get(skipped..).unwrap_or_default();
        let inner = inner.get(..inner.len() / 3 * 3).unwrap_or_default();
        // Less would be in many a text.
        if inner.len() >= SHORTEST {
            all.push(BASE64_STANDARD.encode(inner));
            all.push(BASE64_URL_SAFE.encode(inner));
        }
    }
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(known: &Known, text: &str) -> Vec<String> {
        let mut texts: Vec<String> = known
            .find(text)
            .iter()
            .map(|found| text[found.range.clone()].to_owned())
            .collect();
        texts.dedup();
        texts
    }

    #[test]
    fn a_value_is_found_in_whatever_way_it_is_written() {
        let mut known = Known::default();
        known.add("it's \"a\" pass&word", "<secret>", Parts::None);
        for written in [
            "it's \"a\" pass&word".to_owned(),
            "it%27s%20%22a%22%20pass%26word".to_owned(),
            "it%27s+%22a%22+pass%26word".to_owned(),
            "it&#x27;s &quot;a&quot; pass&amp;word".to_owned(),
            "it's \\\"a\\\" pass&word".to_owned(),
            "it\\u0027s \\\\\\\"a\\\\\\\" pass\\u0026word".to_owned(),
        ] {
            assert_eq!(hidden(&known, &format!("({written})")), [written]);
        }
        for before in ["", "a", "ab", "abc"] {
            let text = BASE64_STANDARD.encode(format!("{before}it's \"a\" pass&word!"));
            assert!(!hidden(&known, &text).is_empty(), "{text}");
        }
    }

    #[test]
    fn parts_are_found_if_they_tell_something() {
        let mut known = Known::default();
        known.add(
            "clerk-mcp-conformance-7d9f8b6c5d4e3f",
            "<secret>",
            Parts::Random("<part>"),
        );
        assert_eq!(hidden(&known, "clerk-mcp-conformance"), [""; 0]);
        assert_eq!(hidden(&known, "(7d9f8b6c5d4e)"), ["7d9f8b6c5d4e"]);
        assert_eq!(
            hidden(&known, "clerk-mcp-conf… (9 more bytes)"),
            ["clerk-mcp-conf"]
        );
    }

    #[test]
    fn parts_of_an_encoded_token_are_found() {
        let mut known = Known::default();
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJl";
        known.add(token, "<token>", Parts::All("<part>"));
        for before in ["", "a", "ab"] {
            let text = BASE64_STANDARD.encode(format!("{before}{token}"));
            let line = &text[20..60];
            assert_eq!(hidden(&known, &format!("({line})")), [line], "{before}");
        }
    }

    /// Each byte is looked at once, however many ellipses and values there are: a target may answer with nothing else.
    #[test]
    fn many_ellipses_cost_no_more_than_their_text() {
        let mut known = Known::default();
        for number in 0..200 {
            let value = format!("{}{number}", "Zq8Lk2Vn5Xw9Tb3Rm7Yc1Hd4".repeat(50));
            known.add(&value, "<secret>", Parts::All("<part>"));
        }
        let text = format!("{}Zq8Lk2Vn5Xw9T… (cut)", "a… ".repeat(50_000));
        assert_eq!(hidden(&known, &text), ["Zq8Lk2Vn5Xw9T"]);
    }

    #[test]
    fn short_words_are_found_where_they_are_words() {
        let mut known = Known::default();
        known.add("hunter2", "<secret>", Parts::None);
        known.add("short", "<secret>", Parts::None);
        assert_eq!(known.find("hunter2 hunter23 'hunter2'").len(), 2);
        assert_eq!(hidden(&known, "short"), [""; 0]);
    }
}
