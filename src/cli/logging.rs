//! The log. It goes to stderr, which keeps stdout free for the output of the command.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

pub(super) use crate::config::DEFAULT_LOG_FILTER;
use crate::config::{ConfigError, Fault, LogFormat, Variables, unexpanded};

/// Returns the log filter from `RUST_LOG`, or the filter `default` if the variable is not set.
pub(super) fn filter(variables: &Variables, default: &str) -> Result<EnvFilter, ConfigError> {
    let text = variables.get("RUST_LOG").unwrap_or(default);
    let fault = |reason: String| ConfigError::invalid(vec![Fault::new("RUST_LOG", reason)]);
    if let Some(reason) = unexpanded(text) {
        return Err(fault(reason));
    }
    EnvFilter::builder()
        .parse(text)
        .map_err(|_| fault("expected a filter such as info,rmcp=warn".to_owned()))
}

/// Starts the log. Without `format` it is pretty on a terminal and JSON otherwise. Call it once per process.
pub(super) fn start(filter: EnvFilter, format: Option<LogFormat>) {
    let terminal = io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // If stderr is closed, reporting that error on stderr would panic.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    // This fails only if a log was started before, which is no reason to stop the program.
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

/// Returns whether `NO_COLOR` is set (<https://no-color.org>) or the terminal supports no color.
#[expect(
    clippy::disallowed_methods,
    reason = "this describes the terminal; it is not part of the server's configuration"
)]
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}
