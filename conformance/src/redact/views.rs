//! A text as those see it who decode it: a secret is one in a URL, in JSON and in a page as well.

use std::ops::Range;

/// Bytes, each with the place in the text that it was written as.
pub(super) struct View {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

/// A way of writing a byte in more than one: what the text that begins here stands for, and how long it is.
type Escape = fn(&[u8]) -> Option<(Vec<u8>, usize)>;

impl View {
    /// The text as it is, and as it is decoded, where there is something to decode. JSON is often in JSON.
    pub(super) fn all(text: &str) -> Vec<Self> {
        let plain = Self {
            bytes: text.bytes().collect(),
            places: (0..text.len()).map(|at| at..at + 1).collect(),
        };
        let mut views = Vec::new();
        for escapes in [
            &[percent as Escape][..],
            &[percent, plus],
            &[reference],
            &[backslash],
        ] {
            views.extend(plain.decoded(escapes));
        }
        views.extend(
            plain
                .decoded(&[backslash])
                .and_then(|view| view.decoded(&[backslash])),
        );
        views.insert(0, plain);
        views
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where these bytes are in the text.
    pub(super) fn place(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let start = self.places.get(range.start)?.start;
        let end = self.places.get(range.end.checked_sub(1)?)?.end;
        Some(start..end)
    }

    /// What it is decoded; `None` when nothing is encoded so.
    fn decoded(&self, escapes: &[Escape]) -> Option<Self> {
        let mut view = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            places: Vec::with_capacity(self.bytes.len()),
        };
        let mut at = 0;
        let mut found = false;
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let escaped = escapes.iter().find_map(|escape| escape(rest));
            found |= escaped.is_some();
            let (bytes, length) = escaped.unwrap_or_else(|| (rest.iter().take(1).copied().collect(), 1));
            let place = self.place(&(at..at + length))?;
            view.places.extend(bytes.iter().map(|_| place.clone()));
            view.bytes.extend(bytes);
            at += length;
        }
        found.then_some(view)
    }
}

/// `%2F`.
fn percent(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let digits = rest.strip_prefix(b"%")?.get(..2)?;
    let byte = u8::try_from(number(digits, 16)?).ok()?;
    Some((vec![byte], 3))
}

/// `+`, a space in forms.
fn plus(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    rest.starts_with(b"+").then(|| (b" ".to_vec(), 1))
}

/// `&lt;`, `&#60;`, `&#x3c;`.
fn reference(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let inner = rest.strip_prefix(b"&")?;
    let length = inner.iter().take(10).position(|byte| *byte == b';')?;
    let inner = inner.get(..length)?;
    let code = match inner {
        b"lt" => u32::from('<'),
        b"gt" => u32::from('>'),
        b"amp" => u32::from('&'),
        b"quot" => u32::from('"'),
        b"apos" => u32::from('\''),
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
        [b'#', digits @ ..] => number(digits, 10)?,
        _ => return None,
    };
    Some((char::from_u32(code)?.to_string().into_bytes(), length + 2))
}

/// `\"`, `\n`, `\u00e4`: JSON's, which most languages have.
fn backslash(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let escaped = rest.strip_prefix(b"\\")?;
    let byte = match escaped.first()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        byte @ (b'"' | b'\'' | b'\\' | b'/') => *byte,
        b'u' => {
            let unit = |at: usize| number(rest.get(at..at + 4)?, 16);
            let first = unit(2)?;
            if let Some(character) = char::from_u32(first) {
                return Some((character.to_string().into_bytes(), 6));
            }
            let second = unit(8).filter(|_| rest.get(6..8) == Some(b"\\u"))?;
            let units = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
            return Some((String::from_utf16(&units).ok()?.into_bytes(), 12));
        }
        _ => return None,
    };
    Some((vec![byte], 2))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    u32::from_str_radix(str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_seen_where_it_is_written() {
        for (text, due) in [
            ("a%20b+c", "a b c"),
            ("&lt;&#x27;&#39;&amp;", "<''&"),
            (r#"\"\u00fc\ud83d\ude00\n"#, "\"ü😀\n"),
            (r#"{\"a\":\"\\\"b\\u00fc\"}"#, "{\"a\":\"\"bü\"}"),
            ("\\x% &nothing; %zz", "\\x% &nothing; %zz"),
        ] {
            let views = View::all(text);
            let view = views.iter().find(|view| view.bytes() == due.as_bytes()).unwrap();
            assert_eq!(view.place(&(0..due.len())), Some(0..text.len()), "{text}");
        }
        let views = View::all("x%41y");
        assert_eq!(views[1].bytes(), b"xAy");
        assert_eq!(views[1].place(&(1..2)), Some(1..4));
    }
}
