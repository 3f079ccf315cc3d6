//! Writes wrapped, indented and optionally colored text for a terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Effects};
use textwrap::{Options, WordSplitter};

use super::{Style, status::Status};

/// A buffer of terminal text. Callers must pass text from [`line`](super::sanitize::line) or
/// [`block`](super::sanitize::block), because the writer does not escape control characters.
pub(crate) struct TextWriter {
    out: String,
    style: Style,
}

/// Text before the first line of a wrapped text, such as a label.
pub(crate) struct Prefix<'a> {
    pub(crate) text: &'a str,
    pub(crate) paint: anstyle::Style,
    /// The column where all lines of the wrapped text begin. Further right if the prefix is longer.
    pub(crate) column: usize,
}

/// The default style of the terminal.
pub(crate) const PLAIN: anstyle::Style = anstyle::Style::new();
pub(super) const BOLD: anstyle::Style = anstyle::Style::new().effects(Effects::BOLD);
pub(crate) const DIM: anstyle::Style = anstyle::Style::new().effects(Effects::DIMMED);
pub(crate) const GOOD: anstyle::Style = AnsiColor::Green.on_default();
pub(crate) const BAD: anstyle::Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
pub(crate) const DOUBTFUL: anstyle::Style = AnsiColor::Yellow.on_default();

impl TextWriter {
    /// Creates an empty buffer.
    pub(crate) fn new(style: Style) -> Self {
        Self {
            out: String::new(),
            style,
        }
    }

    /// Returns the text.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// Writes an empty line, unless the text is empty or already ends with one.
    pub(crate) fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// Writes a bold line.
    pub(crate) fn heading(&mut self, text: &str) {
        self.wrapped(
            &Prefix {
                text: "",
                paint: PLAIN,
                column: 0,
            },
            text,
            BOLD,
        );
    }

    /// Writes `text` after its prefix, wrapped at the terminal width. Breaks words that are longer than a
    /// line.
    pub(crate) fn wrapped(&mut self, prefix: &Prefix<'_>, text: &str, paint: anstyle::Style) {
        let prefix_width = textwrap::core::display_width(prefix.text);
        let column = if prefix.text.is_empty() {
            prefix.column
        } else {
            prefix.column.max(prefix_width + 1)
        };
        let options = Options::new(self.style.width.saturating_sub(column).max(20))
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(true);
        for (number, part) in textwrap::wrap(text, options).iter().enumerate() {
            if number == 0 {
                self.paint(prefix.text, prefix.paint);
                self.pad(column - prefix_width);
            } else {
                self.pad(column);
            }
            self.paint(part, paint);
            self.end();
        }
    }

    /// Writes one line of an HTTP message after its prefix. Keeps spaces. Continuation lines have no prefix.
    pub(crate) fn message_line(&mut self, prefix: &Prefix<'_>, text: &str) {
        let room = self.style.width.saturating_sub(prefix.column).max(20);
        let mut rest = text;
        let mut first = true;
        while first || !rest.is_empty() {
            let (part, after) = rest.split_at(fitting(rest, room));
            if first {
                self.paint(prefix.text, prefix.paint);
            } else {
                self.pad(prefix.column);
            }
            self.out.push_str(part);
            self.end();
            rest = after;
            first = false;
        }
    }

    /// Writes `text` after its prefix without wrapping, for commands and URLs that readers copy.
    pub(crate) fn unwrapped(&mut self, prefix: &Prefix<'_>, text: &str) {
        self.paint(prefix.text, prefix.paint);
        self.pad(
            prefix
                .column
                .saturating_sub(textwrap::core::display_width(prefix.text)),
        );
        self.out.push_str(text);
        self.end();
    }

    fn paint(&mut self, text: &str, paint: anstyle::Style) {
        // Trailing spaces are not colored, so that `end` can remove them.
        let visible = text.trim_end_matches(' ');
        if self.style.color && !visible.is_empty() && paint != PLAIN {
            let _ = write!(self.out, "{paint}{visible}{paint:#}");
        } else {
            self.out.push_str(visible);
        }
        self.pad(text.len() - visible.len());
    }

    fn pad(&mut self, columns: usize) {
        self.out.extend(std::iter::repeat_n(' ', columns));
    }

    /// Removes trailing spaces and ends the line.
    fn end(&mut self) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
    }
}

/// Returns how many bytes of `text` fit into `columns`. Prefers to break in the second half of the line after
/// a space, a JSON member or a part of a URL.
fn fitting(text: &str, columns: usize) -> usize {
    let mut width = 0;
    // The last possible breaks, best first: after a space, after a list separator, after another separator.
    let mut ends = [None; 3];
    for (at, character) in text.char_indices() {
        width += textwrap::core::display_width(character.encode_utf8(&mut [0; 4]));
        if width > columns {
            return ends.into_iter().flatten().next().unwrap_or(at);
        }
        let end = match character {
            ' ' => 0,
            ',' | ';' => 1,
            ':' | '/' | '&' | '?' => 2,
            _ => continue,
        };
        if width > columns / 2
            && let Some(end) = ends.get_mut(end)
        {
            *end = Some(at + 1);
        }
    }
    text.len()
}

impl Status {
    /// Returns the style in a terminal.
    pub(super) fn paint(self) -> anstyle::Style {
        match self {
            Self::Fail | Self::NotTestable => BAD,
            Self::Warn | Self::Known => DOUBTFUL,
            Self::Pass => GOOD,
            Self::NotApplicable => DIM,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_after_separators() {
        for (text, first) in [
            ("one two three four", "one two three "),
            (r#"{"alg":"none","sign":"none"}"#, r#"{"alg":"none","#),
            ("https://example.com/a/b", "https://example."),
            ("https://a.example/b/c/d", "https://a.example/"),
            ("0123456789abcdefghijkl", "0123456789abcdef"),
        ] {
            let columns = if first.ends_with('/') { 19 } else { 16 };
            assert_eq!(&text[..fitting(text, columns)], first);
        }
    }
}
