//! What the program says outside of its log.

use std::io::{self, Write};

use super::Failure;

/// Prints `text` on stdout. A closed pipe is the reader's choice, not a failure.
pub(super) fn print(text: &str) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Prints a failure on stderr.
pub(super) fn error(failure: &Failure) {
    // Nothing is left to tell it to when stderr is closed.
    let _ = writeln!(io::stderr().lock(), "{failure}");
}
