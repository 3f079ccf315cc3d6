//! Starts the log: its filter, format and output. The log goes to stderr, so that stdout is free for the output
//! of the command.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt};

use super::{
    json_lines::JsonLines,
    log_output::{LogGuard, LogOutput},
    telemetry::Telemetry,
};
pub(super) use crate::config::DEFAULT_LOG_FILTER;
use crate::{
    config::{ConfigError, InvalidVariable, LogFormat, Variables, copying_mistake},
    http::REQUEST_SPAN,
    trace,
};

/// Returns the log filter from `RUST_LOG`, or the filter `default` if the variable is not set.
pub(super) fn filter(variables: &Variables, default: &str) -> Result<EnvFilter, ConfigError> {
    let text = variables.get("RUST_LOG").unwrap_or(default);
    let fault = |reason: String| ConfigError::invalid(vec![InvalidVariable::new("RUST_LOG", reason)]);
    if let Some(reason) = copying_mistake(text) {
        return Err(fault(reason));
    }
    let invalid = |_| fault("expected a filter such as info,rmcp=off".to_owned());
    let filter = EnvFilter::builder().parse(text).map_err(invalid)?;
    // `LogOutput` adds the request id, for less than a span costs.
    Ok(match format!("{REQUEST_SPAN}=off").parse() {
        Ok(off) => filter.add_directive(off),
        Err(_) => filter,
    })
}

/// Starts the log. Without `format` it is pretty on a terminal and JSON otherwise. Call it once per process.
///
/// # Errors
/// An I/O error if the thread that writes the log cannot be started.
pub(super) fn start(
    filter: EnvFilter,
    format: Option<LogFormat>,
    telemetry: Option<&Telemetry>,
) -> io::Result<LogGuard> {
    let terminal = is_on_terminal();
    let format = format.unwrap_or(if terminal {
        LogFormat::Pretty
    } else {
        LogFormat::Json
    });
    // The filter applies to every layer. The spans of traces have level DEBUG, which the default filter turns off.
    let traces = telemetry.and_then(|_| format!("{}=debug", trace::TARGET).parse().ok());
    let filter = traces.into_iter().fold(filter, EnvFilter::add_directive);
    let log = tracing_subscriber::registry().with(filter);
    let (output, guard) = LogOutput::start(io::stderr(), format)?;
    let layer = tracing_subscriber::fmt::layer()
        // If stderr is closed, reporting that error on stderr would panic.
        .log_internal_errors(false)
        .with_writer(output);
    match format {
        LogFormat::Pretty => init(log.with(layer.with_ansi(terminal && !no_color())), telemetry),
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).with_current_span(false);
            let layer = layer.map_event_format(JsonLines);
            init(log.with(layer), telemetry);
        }
    }
    Ok(guard)
}

/// Starts `log`, and with it the export of traces. This fails only if a log was started before, which is no
/// reason to stop the program.
fn init<S>(log: S, telemetry: Option<&Telemetry>)
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let _ = match telemetry {
        None => log.try_init(),
        #[cfg(not(feature = "otlp"))]
        Some(impossible) => match *impossible {},
        #[cfg(feature = "otlp")]
        Some(telemetry) => log.with(telemetry.layer()).try_init(),
    };
}

/// Returns whether the log appears on a terminal.
pub(super) fn is_on_terminal() -> bool {
    io::stderr().is_terminal()
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

#[cfg(test)]
mod tests {
    use std::{fmt, io::Write, sync::Arc};

    use parking_lot::Mutex;
    use tracing_subscriber::{
        Registry,
        fmt::{
            FormatEvent,
            format::{Format, Json, JsonFields},
        },
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Logs events of many forms, and returns the lines without their times.
    fn logged<E>(format: impl FnOnce(Format<Json>) -> E) -> Vec<String>
    where
        E: FormatEvent<Registry, JsonFields> + Send + Sync + 'static,
    {
        let lines = Lines::default();
        let output = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .map_event_format(format)
            .with_writer(move || output.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!("plain");
            tracing::warn!(
                text = "a \"quote\"\n",
                absent = None::<u8>,
                on = true,
                "message {}",
                1
            );
            tracing::error!(small = -1, large = u64::MAX, half = 0.5, nothing = f64::NAN);
            tracing::debug!(shown = %"é", debugged = ?["x"], error = &fmt::Error as &dyn std::error::Error);
            tracing::info!(target: "clerk_mcp::other", "another target");
            tracing::info!(target: "hyper", "another crate");
            tracing::info_span!("span", member = 1).in_scope(|| tracing::info!("inside"));
        });
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        let without_time = |line: &str| {
            let (time, rest) = line
                .strip_prefix("{\"timestamp\":\"")
                .unwrap()
                .split_once('"')
                .unwrap();
            assert!(time.ends_with('Z') && time.len() == 27, "{time}");
            rest.to_owned()
        };
        text.lines().map(without_time).collect()
    }

    #[test]
    fn json_lines_equal_those_of_the_original_format() {
        let lines = logged(JsonLines);
        assert_eq!(lines.len(), 7);
        assert_eq!(lines, logged(|format| format));
    }
}
