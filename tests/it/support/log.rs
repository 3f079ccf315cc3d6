//! Captures the log of a test.

use std::{cell::RefCell, io, marker::PhantomData, sync::Once};

use serde_json::Value;
use tracing_subscriber::{Layer, filter::dynamic_filter_fn, fmt, layer::SubscriberExt};

thread_local! {
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The log of the current thread, on which a test's runtime runs all tasks of its server.
pub struct CapturedLog {
    // Not `Send`: another thread has another log.
    thread: PhantomData<*const ()>,
}

impl CapturedLog {
    /// Starts to capture, at every level.
    pub fn start() -> Self {
        static INSTALL: Once = Once::new();
        // The subscriber must be global: tracing caches the interest in each call site for the whole process,
        // so a thread-local subscriber could miss events.
        INSTALL.call_once(|| {
            let captures = dynamic_filter_fn(|_, _| LOG.with_borrow(Option::is_some));
            let layer = fmt::layer().json().with_writer(|| Writer).with_filter(captures);
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
        });
        LOG.set(Some(Vec::new()));
        Self { thread: PhantomData }
    }

    /// Returns the log so far, one JSON object in each line.
    pub fn text(&self) -> String {
        let Self { thread: PhantomData } = self;
        LOG.with_borrow(|log| String::from_utf8(log.clone().unwrap()).unwrap())
    }

    /// Returns the fields of the events with this target.
    pub fn events(&self, target: &str) -> Vec<Value> {
        let events = self.text();
        let events = events
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        events
            .filter(|event| event["target"] == target)
            .map(|mut event| event["fields"].take())
            .collect()
    }
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.get_or_insert_default().extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
