//! What the program says outside of its log.

use std::{
    fmt::{Display, Write as _},
    io::{self, Write},
};

/// Prints `text` on stdout. A closed pipe is the reader's choice, not a failure.
pub(super) fn print(text: &str) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Prints what isn't the output itself, on stderr.
pub(super) fn note(text: impl Display) {
    // Nothing is left to tell it to when stderr is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// What came of a check, as the lines of a list: a mark, the check's name of at most `width`, and what is to be said.
pub(super) fn check(mark: &str, name: &str, width: usize, words: &str) -> String {
    let head = format!("  {mark:<4}  {name:<width$}  ");
    let rest = " ".repeat(head.len());
    let options = textwrap::Options::new(80)
        .initial_indent(&head)
        .subsequent_indent(&rest);
    textwrap::fill(&escape_controls(words), options)
}

/// Without what acts on a terminal: what others say may be anything. JSON has escapes for all of it, and `serde_json` writes
/// those that it must.
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
    // What turns the direction of the text is of more than one block (Unicode, UAX #9).
    let turns = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character == '\n' || !(character.is_control() || turns)
}
