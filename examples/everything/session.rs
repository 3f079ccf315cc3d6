//! [`SessionSettings`]: what a client of 2025-11-25 sets for its session.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;
#[expect(deprecated, reason = "clients of 2025-11-25 still set a log level")]
use rmcp::model::LoggingLevel;

/// The settings of one session. The library clones the server for each session, so a clone starts with the
/// defaults.
#[derive(Debug, Default)]
pub(crate) struct SessionSettings(Arc<Mutex<Settings>>);

#[derive(Debug, Default)]
#[expect(deprecated, reason = "clients of 2025-11-25 still set a log level")]
struct Settings {
    log_level: Option<LoggingLevel>,
    watched: BTreeSet<String>,
}

impl Clone for SessionSettings {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[expect(deprecated, reason = "clients of 2025-11-25 still set a log level")]
impl SessionSettings {
    pub(crate) fn log_level(&self) -> Option<LoggingLevel> {
        self.0.lock().log_level
    }

    pub(crate) fn set_log_level(&self, level: LoggingLevel) {
        self.0.lock().log_level = Some(level);
    }

    pub(crate) fn watch(&self, uri: String) {
        self.0.lock().watched.insert(uri);
    }

    pub(crate) fn unwatch(&self, uri: &str) {
        self.0.lock().watched.remove(uri);
    }
}
