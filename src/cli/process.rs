//! Process-level helpers that several commands share.

use std::io;

/// Creates a multi-threaded Tokio runtime.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
