//! Text that somebody else wrote, made harmless for all formats alike; each then escapes for its own markup.

use std::fmt::Write as _;

use serde::Serialize;

/// How much of a text is shown.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) lines: usize,
    pub(super) characters: usize,
}

/// `text` on one line.
pub(crate) fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(['\r', '\n']).filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        push(&mut out, word);
    }
    out
}

/// `text` with its lines.
pub(crate) fn lines(text: &str) -> String {
    block(text, WHOLE)
}

/// `text` with its lines, as much of it as tells what it is.
pub(crate) fn excerpt(text: &str) -> String {
    block(text, EXCERPT)
}

const EXCERPT: Limit = Limit {
    lines: 40,
    characters: 1_200,
};

/// No limit.
const WHOLE: Limit = Limit {
    lines: usize::MAX,
    characters: usize::MAX,
};

/// `text` with its lines, of which no more than `limit` are shown, and a note says how much is left out.
pub(super) fn block(text: &str, limit: Limit) -> String {
    let mut out = String::with_capacity(text.len().min(limit.characters));
    let mut shown = 0;
    for (number, part) in text.lines().enumerate() {
        if number == limit.lines {
            break;
        }
        if number > 0 {
            out.push('\n');
            shown += 1;
        }
        let room = limit.characters.saturating_sub(shown);
        let kept: String = part.chars().take(room).collect();
        shown += kept.chars().count();
        push(&mut out, &kept);
        if kept.len() < part.len() {
            break;
        }
    }
    // Line ends count as one character, however they were sent.
    let total = text.lines().map(|part| part.chars().count() + 1).sum::<usize>();
    let left = total.saturating_sub(shown + 1);
    if left > 0 {
        let _ = write!(out, "\n[{left} more characters]");
    }
    out
}

/// Pretty JSON, in which nothing can move the cursor of a terminal that shows it.
pub(super) fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string_pretty(value)?;
    let mut out = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if character != '\n' && is_unseen(character) {
            // It is inside a string, where the escape means the same.
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out.push('\n');
    Ok(out)
}

fn push(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            unseen if is_unseen(unseen) => {
                let _ = write!(out, "{}", unseen.escape_unicode());
            }
            seen => out.push(seen),
        }
    }
}

/// Whether a character acts on the text around it rather than being read: controls, marks that turn the direction of
/// writing, what has no width, and what XML forbids.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}'
                | '\u{ffff}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unseen_is_spelled_out() {
        assert_eq!(
            line("a\u{1b}[31mb\r\nc\td\u{202e}e\u{9b}f\u{feff}\u{ffff}é"),
            "a\\u{1b}[31mb c\\td\\u{202e}e\\u{9b}f\\u{feff}\\u{ffff}é"
        );
        let limit = Limit {
            lines: 9,
            characters: 99,
        };
        assert_eq!(block("a\r\nb\rc\n\nd", limit), "a\nb\\rc\n\nd");
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let cut = |text, lines, characters| block(text, Limit { lines, characters });
        assert_eq!(cut("one\ntwo\nthree", 2, 99), "one\ntwo\n[6 more characters]");
        assert_eq!(cut("ééé", 9, 2), "éé\n[1 more characters]");
        assert_eq!(cut("ééé", 9, 3), "ééé");
        assert_eq!(cut("one\r\n", 1, 3), "one");
        assert_eq!(cut("", 1, 1), "");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = ["\u{9b}\u{7f}\n\u{202e}\u{e0001}é".to_owned()];
        let text = json(&value).unwrap();
        assert!(text.contains("\\u009b\\u007f\\n\\u202e\\udb40\\udc01é"), "{text}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&text).unwrap(), value);
    }
}
