//! The log: to stderr, so that stdout stays for what was asked for.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Fault, LogFormat, Variables};

/// Reads `RUST_LOG`.
pub(super) fn filter(variables: &Variables, default: &str) -> Result<EnvFilter, ConfigError> {
    EnvFilter::builder()
        .parse(variables.get("RUST_LOG").unwrap_or(default))
        .map_err(|_| {
            ConfigError::invalid(vec![Fault::new(
                "RUST_LOG",
                "expected a filter such as info,rmcp=warn",
            )])
        })
}

/// Starts the log; `format` as asked for, else for people on a terminal and JSON otherwise. Once per process.
pub(super) fn start(filter: EnvFilter, format: Option<LogFormat>) {
    let terminal = io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would tell stderr that stderr is closed, and panic.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    // A second start would be a mistake of ours, and no reason to end the program.
    let _ = match format.unwrap_or(if terminal {
        LogFormat::Pretty
    } else {
        LogFormat::Json
    }) {
        LogFormat::Pretty => builder.with_ansi(terminal && !no_color()).try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
}

/// <https://no-color.org>, and terminals that say they have none.
#[expect(
    clippy::disallowed_methods,
    reason = "a matter of the terminal, not of the server's configuration"
)]
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}

/// What is logged unless `RUST_LOG` says otherwise: rmcp would write a line for each request.
pub(super) const DEFAULT_FILTER: &str = "info,rmcp=warn";
