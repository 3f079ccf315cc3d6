//! Collects the log of one test.

use std::{
    cell::RefCell,
    io,
    sync::{Arc, Mutex, Once},
};

use tracing_subscriber::{
    Layer,
    filter::dynamic_filter_fn,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
};

/// The log of one test, as JSON lines of all levels.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Returns the lines logged so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Starts to collect the log of this thread, on which the runtime of a test runs all tasks of its servers.
///
/// The subscriber must be global: tracing caches the interest in each call site for the whole process, so a
/// thread-local subscriber could miss events.
pub fn capture() -> Log {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        let is_captured = dynamic_filter_fn(|_, _| CURRENT.with_borrow(Option::is_some));
        let layer = fmt::layer()
            .json()
            .with_writer(CurrentLog)
            .with_filter(is_captured);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    });
    let log = Log::default();
    CURRENT.set(Some(log.clone()));
    log
}

struct CurrentLog;

impl MakeWriter<'_> for CurrentLog {
    type Writer = Log;

    fn make_writer(&self) -> Log {
        CURRENT.with_borrow(|log| log.clone().unwrap_or_default())
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
