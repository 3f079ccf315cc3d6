//! The subcommands.

pub(crate) mod clerk;
mod report;
