//! Limits how often the server logs a warning or error that a client can cause, so that a client cannot fill
//! the log. Use [`log_limited!`] for every such line.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Logs a line, unless [`MAX_LINES`] lines with the same `$key` were logged in the current minute. `$key` is
/// the reason, or a summary of the line. The first line of a later minute has the number of suppressed lines
/// in the field `suppressed`.
macro_rules! log_limited {
    ($level:ident, $key:expr, $($fields:tt)+) => {
        if let Some(suppressed) = $crate::log_limit::admit($key) {
            tracing::$level!(suppressed = (suppressed > 0).then_some(suppressed), $($fields)+);
        }
    };
}
pub(crate) use log_limited;

/// Counts a line. Returns the number of suppressed lines before it, or `None` if it must not be logged.
///
/// No lock is held while the line is logged, because the log may be slow.
pub(crate) fn admit(key: &'static str) -> Option<u64> {
    static LIMITS: Mutex<LogLimits> = Mutex::new(LogLimits(BTreeMap::new()));
    LIMITS.lock().admit(key, Instant::now())
}

/// The number of lines in the current minute, by key.
struct LogLimits(BTreeMap<&'static str, Minute>);

struct Minute {
    start: Instant,
    lines: u64,
}

impl LogLimits {
    fn admit(&mut self, key: &'static str, now: Instant) -> Option<u64> {
        let minute = self.0.entry(key).or_insert(Minute { start: now, lines: 0 });
        let mut suppressed = 0;
        if now.duration_since(minute.start) >= WINDOW {
            suppressed = minute.lines.saturating_sub(MAX_LINES);
            *minute = Minute { start: now, lines: 0 };
        }
        minute.lines += 1;
        (minute.lines <= MAX_LINES).then_some(suppressed)
    }
}

const MAX_LINES: u64 = 10;
const WINDOW: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_per_minute_and_key_are_logged_and_the_others_counted() {
        let mut limits = LogLimits(BTreeMap::new());
        let start = Instant::now();
        let admitted = (0..100).filter_map(|_| limits.admit("a", start)).count();
        assert_eq!(admitted, 10);
        assert_eq!(limits.admit("b", start), Some(0), "keys share a limit");
        let later = start + WINDOW;
        let before = start + WINDOW.saturating_sub(Duration::from_millis(1));
        assert_eq!(limits.admit("a", before), None);
        assert_eq!(limits.admit("a", later), Some(91));
        assert_eq!(limits.admit("a", later), Some(0));
    }
}
