//! Output on stdout and stderr, other than the log.

use std::{
    fmt::{Display, Write as _},
    io::{self, Write},
};

/// Prints `text` on stdout. A closed pipe is not an error: the reader, such as `head`, has seen enough.
pub(super) fn print(text: &str) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Prints a message on stderr, which keeps stdout free for the output of the command.
pub(super) fn note(text: impl Display) {
    // If stderr is closed, there is no way to report that.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Formats the result of a check as a list entry: a mark, the check's `name` padded to `width`, and the text
/// `words`, wrapped at 80 columns.
pub(super) fn check(mark: &str, name: &str, width: usize, words: &str) -> String {
    let head = format!("  {mark:<4}  {name:<width$}  ");
    let rest = " ".repeat(head.len());
    let options = textwrap::Options::new(80)
        .initial_indent(&head)
        .subsequent_indent(&rest);
    textwrap::fill(&escape_controls(words), options)
}

/// Escapes control characters. A token or a remote server can contain any text, and must not control the
/// terminal. The escapes are those of JSON, so the function can be applied to JSON text too.
pub(super) fn escape_controls(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_printable(character) {
            escaped.push(character);
        } else {
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        }
    }
    escaped
}

fn is_printable(character: char) -> bool {
    // These characters change the direction of the text (Unicode, UAX #9), so they could hide part of it.
    let changes_direction = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character == '\n' || !(character.is_control() || changes_direction)
}
