//! Sanitizes untrusted text for all formats: escapes control characters and limits its length. Each format
//! also escapes its own markup.

use std::fmt::Write as _;

use serde::Serialize;

/// How much of a text a report shows.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) lines: usize,
    pub(super) characters: usize,
}

/// Returns `text` on one line, sanitized.
pub(crate) fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(['\r', '\n']).filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        push_sanitized(&mut out, word);
    }
    out
}

/// Returns `text` on one line, sanitized, for the inside of an HTML element.
pub(super) fn html(text: &str) -> String {
    line(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Returns all lines of `text`, sanitized.
pub(crate) fn lines(text: &str) -> String {
    block(text, WHOLE)
}

/// Returns the beginning of `text`, sanitized.
pub(crate) fn excerpt(text: &str) -> String {
    block(text, EXCERPT)
}

const EXCERPT: Limit = Limit {
    lines: 40,
    characters: 1_200,
};

/// The distance of tab stops. Tabs become spaces, because reports show text at other columns than the target.
const TAB: usize = 8;

/// No limit.
const WHOLE: Limit = Limit {
    lines: usize::MAX,
    characters: usize::MAX,
};

/// Returns the lines of `text` up to `limit`, sanitized. A note at the end says how many characters are left
/// out.
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
        push_sanitized(&mut out, &kept);
        if kept.len() < part.len() {
            break;
        }
    }
    // A line end counts as one character, even if it is CR LF.
    let total = text.lines().map(|part| part.chars().count() + 1).sum::<usize>();
    let left = total.saturating_sub(shown + 1);
    if left > 0 {
        let _ = write!(out, "\n[{left} more characters]");
    }
    out
}

/// Returns formatted JSON in which control characters are escaped, so it is safe to show in a terminal.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string_pretty(value)?;
    let mut out = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if character != '\n' && is_invisible(character) {
            // Such characters occur only in strings, where the escape is equivalent.
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

fn push_sanitized(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\t' => {
                let column = out.chars().rev().take_while(|one| *one != '\n').count();
                out.extend(std::iter::repeat_n(' ', TAB - column % TAB));
            }
            '\r' => out.push_str("\\r"),
            invisible if is_invisible(invisible) => {
                let _ = write!(out, "{}", invisible.escape_unicode());
            }
            visible => out.push(visible),
        }
    }
}

/// Returns whether a character is invisible or changes the text around it: control characters, marks that
/// change the writing direction, characters without width, and characters that XML forbids.
fn is_invisible(character: char) -> bool {
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
    fn invisible_characters_are_escaped() {
        assert_eq!(
            line("a\u{1b}[31mb\r\nc\u{202e}e\u{9b}f\u{feff}\u{ffff}é"),
            "a\\u{1b}[31mb c\\u{202e}e\\u{9b}f\\u{feff}\\u{ffff}é"
        );
        let limit = Limit {
            lines: 9,
            characters: 99,
        };
        assert_eq!(block("a\r\nb\rc\n\nd", limit), "a\nb\\rc\n\nd");
    }

    #[test]
    fn tabs_are_shown_as_tabs() {
        assert_eq!(
            block("a\tb\n\tc\n12345678\td", WHOLE),
            "a       b\n        c\n12345678        d"
        );
        assert_eq!(line("a\tb"), "a       b");
    }

    #[test]
    fn note_counts_characters_left_out() {
        let cut = |text, lines, characters| block(text, Limit { lines, characters });
        assert_eq!(cut("one\ntwo\nthree", 2, 99), "one\ntwo\n[6 more characters]");
        assert_eq!(cut("ééé", 9, 2), "éé\n[1 more characters]");
        assert_eq!(cut("ééé", 9, 3), "ééé");
        assert_eq!(cut("one\r\n", 1, 3), "one");
        assert_eq!(cut("", 1, 1), "");
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let value = ["\u{9b}\u{7f}\n\u{202e}\u{e0001}é".to_owned()];
        let text = to_json(&value).unwrap();
        assert!(text.contains("\\u009b\\u007f\\n\\u202e\\udb40\\udc01é"), "{text}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&text).unwrap(), value);
    }
}
