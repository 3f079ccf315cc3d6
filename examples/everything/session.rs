//! What belongs to one session of a client of 2025-11-25.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[expect(deprecated, reason = "clients of 2025-11-25 still set a log level")]
use rmcp::model::LoggingLevel;

/// Settings that end with their session: the library clones the server for each, and a clone begins anew.
#[derive(Debug, Default)]
pub(crate) struct OwnToSession(Arc<Mutex<Settings>>);

#[derive(Debug, Default)]
#[expect(deprecated, reason = "clients of 2025-11-25 still set a log level")]
struct Settings {
    log_level: Option<LoggingLevel>,
    watched: BTreeSet<String>,
}

impl Clone for OwnToSession {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[expect(deprecated, reason = "clients of 2025-11-25 still set a log level")]
impl OwnToSession {
    pub(crate) fn log_level(&self) -> Option<LoggingLevel> {
        self.settings().log_level
    }

    pub(crate) fn set_log_level(&self, level: LoggingLevel) {
        self.settings().log_level = Some(level);
    }

    pub(crate) fn watch(&self, uri: String) {
        self.settings().watched.insert(uri);
    }

    pub(crate) fn forget(&self, uri: &str) {
        self.settings().watched.remove(uri);
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
