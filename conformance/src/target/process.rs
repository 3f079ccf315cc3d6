//! A target that runs as a process, started by a shell command.

use std::{collections::VecDeque, process::Stdio, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::Command,
    sync::{OnceCell, watch},
    task::JoinHandle,
};

use super::{
    Ended, Environment,
    printed_secrets::{PrintedSecrets, StreamSearch},
    process_group::{Exit, ProcessGroup, Signal},
};

/// How long a server may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How many of the last lines of output are kept.
const MAX_LINES: usize = 60;
/// How much of one line is kept.
const MAX_LINE_BYTES: usize = 4 * 1024;
/// How much output is kept in total.
const MAX_BYTES: usize = 16 * 1024;

/// How long to wait for the last output after the leader exited, if another process still has the pipes open.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// A server started by a shell command, with all processes that it started.
pub(crate) struct Process {
    group: ProcessGroup,
    output: Output,
    readers: Vec<JoinHandle<()>>,
    /// Closed when both output pipes are closed.
    pipes: watch::Receiver<()>,
    ended: OnceCell<Ended>,
}

/// The last lines of stdout and stderr.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<VecDeque<Line>>>);

/// A line of output, possibly incomplete or shortened.
struct Line {
    stream: Stream,
    bytes: Vec<u8>,
    /// How many bytes were left out.
    left_out: usize,
    /// Whether the end of the line was read.
    ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

impl Process {
    /// Runs `command` with the variables of this process, except the `removed` variables, and with
    /// `environment`.
    pub(crate) fn start(
        command: &str,
        environment: &Environment,
        removed: &[String],
        printed: &PrintedSecrets,
    ) -> Result<Self, Ended> {
        let mut shell = Command::new("sh");
        for variable in removed {
            shell.env_remove(variable);
        }
        shell
            .args(["-c", command])
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        ProcessGroup::configure(&mut shell);
        let mut child = shell.spawn().map_err(|error| Ended {
            exit: None,
            output: format!("cannot start the shell: {error}"),
        })?;
        let output = Output::default();
        let (reading, pipes) = watch::channel(());
        let mut readers = Vec::new();
        readers.extend(
            child
                .stdout
                .take()
                .map(|stream| output.keep(Stream::Stdout, stream, printed.stream(), reading.clone())),
        );
        readers.extend(
            child
                .stderr
                .take()
                .map(|stream| output.keep(Stream::Stderr, stream, printed.stream(), reading)),
        );
        Ok(Self {
            group: ProcessGroup::new(child),
            output,
            readers,
            pipes,
            ended: OnceCell::new(),
        })
    }

    /// Returns how the server ended, or `None` while it runs.
    pub(crate) async fn ended(&self) -> Option<Ended> {
        let Exit(exit) = self.group.exit()?;
        let ended = self.ended.get_or_init(async || {
            self.output_read().await;
            Ended {
                exit,
                output: self.output(),
            }
        });
        Some(ended.await.clone())
    }

    /// Waits until all output is read.
    async fn output_read(&self) {
        let mut pipes = self.pipes.clone();
        let closed = async { while pipes.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(OUTPUT_TIMEOUT, closed).await;
    }

    /// Returns the last lines of output.
    pub(crate) fn output(&self) -> String {
        let lines = self.output.0.lock();
        lines.iter().map(Line::text).collect::<Vec<_>>().join("\n")
    }

    /// Asks the server to stop, and kills it if it does not.
    pub(crate) async fn stop(mut self) {
        self.group.signal(Signal::Stop);
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.group.exited()).await;
        // Processes that the server started may still run after it exits. Dropping also kills the group.
        self.group.kill().await;
        self.output_read().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group.signal(Signal::Kill);
        for reader in &self.readers {
            reader.abort();
        }
    }
}

impl Output {
    /// Starts to read a stream. Drops `reading` when the stream ends.
    fn keep(
        &self,
        stream: Stream,
        source: impl AsyncRead + Unpin + Send + 'static,
        mut search: StreamSearch,
        reading: watch::Sender<()>,
    ) -> JoinHandle<()> {
        let output = self.clone();
        tokio::spawn(async move {
            // Dropped when the task ends, which wakes waiting callers.
            let reading = reading;
            let mut reader = BufReader::new(source);
            while let Ok(bytes) = reader.fill_buf().await
                && !bytes.is_empty()
            {
                output.add(stream, bytes);
                search.add(bytes);
                let count = bytes.len();
                reader.consume(count);
            }
            // Searches the last line before callers are woken.
            drop(search);
            drop(reading);
        })
    }

    /// Adds bytes from a stream, which can end within a line.
    fn add(&self, stream: Stream, bytes: &[u8]) {
        let mut lines = self.0.lock();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !lines.iter().any(|line| line.is_open(stream)) {
                lines.push_back(Line {
                    stream,
                    bytes: Vec::new(),
                    left_out: 0,
                    ended: false,
                });
            }
            if let Some(line) = lines.iter_mut().find(|line| line.is_open(stream)) {
                line.add(part);
            }
            let kept = |lines: &VecDeque<Line>| lines.iter().map(|line| line.bytes.len()).sum::<usize>();
            while lines.len() > MAX_LINES || kept(&lines) > MAX_BYTES {
                lines.pop_front();
            }
        }
    }
}

impl Line {
    fn is_open(&self, stream: Stream) -> bool {
        !self.ended && self.stream == stream
    }

    fn add(&mut self, part: &[u8]) {
        let content = part.strip_suffix(b"\n");
        self.ended = content.is_some();
        let content = content.unwrap_or(part);
        let room = MAX_LINE_BYTES - self.bytes.len();
        let kept = content.get(..room).unwrap_or(content);
        self.bytes.extend_from_slice(kept);
        self.left_out += content.len() - kept.len();
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        match self.left_out {
            0 => text.trim_end().to_owned(),
            more => format!("{text}… ({more} more bytes)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(output: &Output) -> String {
        let lines = output.0.lock();
        lines.iter().map(Line::text).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn lines_of_both_streams_are_not_mixed() {
        let output = Output::default();
        output.add(Stream::Stdout, b"one\r\ntwo, in ");
        output.add(Stream::Stderr, b"wrong\n");
        output.add(Stream::Stdout, b"parts\n\nno end");
        assert_eq!(text(&output), "one\ntwo, in parts\nwrong\n\nno end");
    }

    #[test]
    fn large_output_is_shortened() {
        let output = Output::default();
        for _ in 0..100 {
            output.add(Stream::Stdout, &[b'x'; 8_192]);
        }
        assert_eq!(
            text(&output),
            format!("{}… (815104 more bytes)", "x".repeat(MAX_LINE_BYTES))
        );
        for number in 0..1_000 {
            output.add(Stream::Stderr, format!("{number}\n").as_bytes());
        }
        assert_eq!(text(&output).lines().count(), MAX_LINES);
        assert!(text(&output).ends_with("\n999"));
        for _ in 0..1_000 {
            output.add(Stream::Stderr, &[&[b'y'; 9_000][..], b"\n"].concat());
        }
        assert!(
            text(&output).len() <= MAX_BYTES + 1_000,
            "{}",
            text(&output).len()
        );
    }

    fn start(command: &str) -> Process {
        Process::start(command, &Environment::new(), &[], &PrintedSecrets::default()).unwrap()
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn exit_is_reported_while_another_process_has_the_pipes_open() {
        let process = start("sleep 600 & echo stopped; exit 3");
        process.group.exited().await;
        let ended = process.ended().await.unwrap();
        assert_eq!((ended.exit, ended.output.as_str()), (Some(3), "stopped"));
        assert_eq!(process.ended().await, Some(ended));
    }

    /// The group has the id of its leader, which the system cannot reuse until the leader is reaped.
    #[cfg(unix)]
    #[tokio::test]
    async fn the_group_is_stopped_before_its_leader_is_reaped() {
        let folder = tempfile::TempDir::new().unwrap();
        for (name, end, is_stopped) in [("one", "wait", true), ("other", "exit 3", false)] {
            let pipe = folder.path().join(name);
            let made = Command::new("mkfifo").arg(&pipe).status().await.unwrap();
            assert!(made.success());
            let command = format!("exec 3>{}; sleep 600 & echo ready; {end}", pipe.display());
            let read = tokio::task::spawn_blocking(move || std::fs::read(pipe));
            let process = start(&command);
            while !process.output().contains("ready") {
                tokio::task::yield_now().await;
            }
            if is_stopped {
                process.stop().await;
            } else {
                // The leader exits before the process that it started. Its exit can be queried more than
                // once.
                process.group.exited().await;
                assert!(process.group.exit().is_some());
                assert!(process.group.exit().is_some(), "it is not reaped");
                drop(process);
            }
            // The read ends only when no process has the pipe open.
            assert_eq!(read.await.unwrap().unwrap(), b"");
        }
    }
}
