//! [`LogOutput`]: adds the request id to the lines of the log, and writes them to stderr in batches, so that
//! a request does not wait for a slow terminal or pipe.
//!
//! A thread writes each batch a few milliseconds after its first line. `tracing-appender` would wake its
//! thread for every line, which costs a request more than the line itself. Two cases do not wait: a warning
//! or error is written at once, so that it is not lost if the process is killed. A full batch is written at
//! once, so that memory is bounded and no line is dropped.

use std::{
    io::{self, Write},
    sync::Arc,
    thread::{self, Thread},
    time::Duration,
};

use parking_lot::Mutex;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::{config::LogFormat, request_id::RequestId};

/// The output of the log. It adds the id of the current request to each line that does not have it.
pub(super) struct LogOutput {
    shared: Arc<Shared>,
    format: LogFormat,
    writer: Thread,
}

/// Writes the rest of the log when dropped. Keep it until the program ends.
#[must_use]
pub(super) struct LogGuard(Arc<Shared>);

struct Shared {
    pending: Mutex<Vec<u8>>,
    sink: Mutex<Sink>,
}

struct Sink {
    output: Box<dyn Write + Send>,
    /// The buffer of the last batch, which the next one reuses.
    spare: Vec<u8>,
}

impl LogOutput {
    /// Creates the output, and starts the thread that writes to `output`.
    ///
    /// # Errors
    /// An I/O error if the thread cannot be started.
    pub(super) fn start(
        output: impl Write + Send + 'static,
        format: LogFormat,
    ) -> io::Result<(Self, LogGuard)> {
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            sink: Mutex::new(Sink {
                output: Box::new(output),
                spare: Vec::new(),
            }),
        });
        let written = Arc::clone(&shared);
        let writer = thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                thread::park();
                thread::sleep(BATCH_TIME);
                written.write_pending();
            }
        })?;
        let guard = LogGuard(Arc::clone(&shared));
        let writer = writer.thread().clone();
        Ok((
            Self {
                shared,
                format,
                writer,
            },
            guard,
        ))
    }

    fn add(&self, line: &[u8], request: Option<RequestId>, is_urgent: bool) {
        let (end, before, after): (&[u8], &[u8], &[u8]) = match self.format {
            LogFormat::Json => (b"}\n", b",\"request_id\":\"", b"\"}\n"),
            LogFormat::Pretty => (b"\n", b" request_id=", b"\n"),
        };
        let mut pending = self.shared.pending.lock();
        let is_first = pending.is_empty();
        match request.zip(line.strip_suffix(end)) {
            Some((id, line)) => {
                for part in [line, before, &id.to_ascii(), after] {
                    pending.extend_from_slice(part);
                }
            }
            None => pending.extend_from_slice(line),
        }
        let is_full = pending.len() >= BATCH_BYTES;
        drop(pending);
        if is_urgent || is_full {
            self.shared.write_pending();
        } else if is_first {
            self.writer.unpark();
        }
    }
}

impl Shared {
    /// Writes all pending lines. Errors are ignored: there is no other place to report them.
    fn write_pending(&self) {
        // Locked first, so that batches are written in order.
        let mut sink = self.sink.lock();
        let Sink { output, spare } = &mut *sink;
        std::mem::swap(&mut *self.pending.lock(), spare);
        let _ = output.write_all(spare).and_then(|()| output.flush());
        spare.clear();
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.write_pending();
    }
}

impl<'a> MakeWriter<'a> for LogOutput {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            output: self,
            request: RequestId::current(),
            is_urgent: false,
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        let has_id = event.fields().field("request_id").is_some();
        Line {
            output: self,
            request: if has_id { None } else { RequestId::current() },
            is_urgent: *event.level() <= Level::WARN,
        }
    }
}

/// Receives one line, in one write.
pub(super) struct Line<'a> {
    output: &'a LogOutput,
    request: Option<RequestId>,
    is_urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.output.add(line, self.request, self.is_urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How long a line may wait.
const BATCH_TIME: Duration = Duration::from_millis(10);
const BATCH_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;
    use tracing_subscriber::EnvFilter;

    use super::*;

    /// Sends each batch that is written.
    struct Batches(mpsc::Sender<String>);

    impl Write for Batches {
        fn write(&mut self, batch: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(String::from_utf8(batch.to_owned()).unwrap());
            Ok(batch.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start(format: LogFormat) -> (LogOutput, LogGuard, mpsc::Receiver<String>) {
        let (sender, batches) = mpsc::channel();
        let (output, guard) = LogOutput::start(Batches(sender), format).unwrap();
        (output, guard, batches)
    }

    #[test]
    fn lines_are_written_in_order_and_none_is_lost() {
        let (output, _guard, batches) = start(LogFormat::Pretty);
        let lines: String = (0..20_000).map(|number| number.to_string() + "\n").collect();
        let mut written = String::new();
        for line in lines.split_inclusive('\n') {
            output.add(line.as_bytes(), None, line.ends_with("77\n"));
        }
        while written.len() < lines.len() {
            written.push_str(&batches.recv().unwrap());
        }
        assert_eq!(written, lines);
    }

    #[test]
    fn a_full_batch_is_written_at_once() {
        let (output, _guard, batches) = start(LogFormat::Pretty);
        output.add(&vec![b'x'; BATCH_BYTES], None, false);
        assert_eq!(batches.try_recv().unwrap().len(), BATCH_BYTES);
    }

    #[test]
    fn the_rest_is_written_at_the_end() {
        let (output, guard, batches) = start(LogFormat::Pretty);
        output.add(b"the last line\n", None, false);
        drop(guard);
        assert_eq!(batches.recv().unwrap(), "the last line\n");
    }

    /// Logs in both formats, at once, without time and level.
    fn logged(format: LogFormat, work: impl Fn()) -> String {
        let (output, _guard, batches) = start(format);
        let builder = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("info"))
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(output);
        match format {
            LogFormat::Pretty => tracing::subscriber::with_default(builder.finish(), work),
            LogFormat::Json => {
                tracing::subscriber::with_default(builder.json().flatten_event(true).finish(), work);
            }
        }
        batches.recv().unwrap()
    }

    #[test]
    fn lines_about_a_request_have_its_id_once() {
        let id = RequestId::random();
        let about = |work: fn()| move || id.scope(async { work() }).now_or_never().unwrap();
        assert_eq!(
            logged(LogFormat::Pretty, about(|| tracing::warn!("rejected"))),
            format!(" WARN rejected request_id={id}\n")
        );
        let line = logged(LogFormat::Json, about(|| tracing::warn!("rejected")));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            line,
            serde_json::json!({ "level": "WARN", "message": "rejected", "request_id": id.to_string() })
        );
        assert_eq!(
            logged(LogFormat::Pretty, about(|| tracing::warn!(request_id = 7, "own"))),
            " WARN own request_id=7\n"
        );
        assert_eq!(
            logged(LogFormat::Pretty, || tracing::warn!("no request")),
            " WARN no request\n"
        );
    }
}
