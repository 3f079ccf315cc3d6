//! Lines for a terminal: wrapped, indented, and coloured when that is wanted.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Effects};
use textwrap::{Options, WordSplitter};

use super::{Style, standing::Standing};

/// Text in the making. Everything given to it must be [`line`](super::plain::line)s already: it writes no control
/// characters but its own.
pub(crate) struct Screen {
    out: String,
    style: Style,
}

/// What stands in front of a wrapped text, on its first line.
pub(crate) struct Lead<'a> {
    pub(crate) text: &'a str,
    pub(crate) paint: anstyle::Style,
    /// Where the wrapped text begins, on all its lines; further right if the lead is longer.
    pub(crate) column: usize,
}

/// No style: the terminal's own.
pub(crate) const PLAIN: anstyle::Style = anstyle::Style::new();
pub(super) const BOLD: anstyle::Style = anstyle::Style::new().effects(Effects::BOLD);
pub(crate) const DIM: anstyle::Style = anstyle::Style::new().effects(Effects::DIMMED);
pub(crate) const GOOD: anstyle::Style = AnsiColor::Green.on_default();
pub(crate) const BAD: anstyle::Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
pub(crate) const DOUBTFUL: anstyle::Style = AnsiColor::Yellow.on_default();

impl Screen {
    /// An empty one.
    pub(crate) fn new(style: Style) -> Self {
        Self {
            out: String::new(),
            style,
        }
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// One empty line, however often it is asked for, and none at the top.
    pub(crate) fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// A line of its own, in bold.
    pub(crate) fn heading(&mut self, text: &str) {
        self.wrapped(
            &Lead {
                text: "",
                paint: PLAIN,
                column: 0,
            },
            text,
            BOLD,
        );
    }

    /// `text`, wrapped at the width, behind its lead. Words longer than a line are broken.
    pub(crate) fn wrapped(&mut self, lead: &Lead<'_>, text: &str, paint: anstyle::Style) {
        let lead_width = textwrap::core::display_width(lead.text);
        let column = if lead.text.is_empty() {
            lead.column
        } else {
            lead.column.max(lead_width + 1)
        };
        let options = Options::new(self.style.width.saturating_sub(column).max(20))
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(true);
        for (number, part) in textwrap::wrap(text, options).iter().enumerate() {
            if number == 0 {
                self.paint(lead.text, lead.paint);
                self.pad(column - lead_width);
            } else {
                self.pad(column);
            }
            self.paint(part, paint);
            self.end();
        }
    }

    /// A line of a message, behind a lead that ends in its mark. Its blanks are kept, and a line that goes on has no
    /// mark.
    pub(crate) fn marked(&mut self, lead: &Lead<'_>, text: &str) {
        let room = self.style.width.saturating_sub(lead.column).max(20);
        let mut rest = text;
        let mut first = true;
        while first || !rest.is_empty() {
            let (part, after) = rest.split_at(fitting(rest, room));
            if first {
                self.paint(lead.text, lead.paint);
            } else {
                self.pad(lead.column);
            }
            self.out.push_str(part);
            self.end();
            rest = after;
            first = false;
        }
    }

    /// The same, never wrapped: for what is copied, a command or an address.
    pub(crate) fn whole(&mut self, lead: &Lead<'_>, text: &str) {
        self.paint(lead.text, lead.paint);
        self.pad(
            lead.column
                .saturating_sub(textwrap::core::display_width(lead.text)),
        );
        self.out.push_str(text);
        self.end();
    }

    fn paint(&mut self, text: &str, paint: anstyle::Style) {
        // Blanks are not coloured, so that those at the end of a line can be taken away.
        let seen = text.trim_end_matches(' ');
        if self.style.colour && !seen.is_empty() && paint != PLAIN {
            let _ = write!(self.out, "{paint}{seen}{paint:#}");
        } else {
            self.out.push_str(seen);
        }
        self.pad(text.len() - seen.len());
    }

    fn pad(&mut self, columns: usize) {
        self.out.extend(std::iter::repeat_n(' ', columns));
    }

    /// Ends the line, without the blanks at its end.
    fn end(&mut self) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
    }
}

/// How many bytes of `text` fit into so many columns: up to where something ends in the later half, so that words, members
/// of JSON and parts of addresses stay whole where that costs little.
fn fitting(text: &str, columns: usize) -> usize {
    let mut width = 0;
    // After a blank, else after what separates members, else after what separates their parts.
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

impl Standing {
    /// Its colour in a terminal.
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
    fn lines_end_where_something_ends() {
        for (text, first) in [
            ("one two three four", "one two three "),
            (r#"{"alg":"none","sign":"nobody"}"#, r#"{"alg":"none","#),
            ("https://example.com/a/b", "https://example."),
            ("https://a.example/b/c/d", "https://a.example/"),
            ("0123456789abcdefghijkl", "0123456789abcdef"),
        ] {
            let columns = if first.ends_with('/') { 19 } else { 16 };
            assert_eq!(&text[..fitting(text, columns)], first);
        }
    }
}
