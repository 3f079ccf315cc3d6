//! What the program says outside of its log.

use std::{
    fmt::Display,
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
