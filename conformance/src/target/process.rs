use std::{collections::VecDeque, process::Stdio, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use super::{Ended, Environment};

/// How long a server may take to stop before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// How much of what a server prints is kept: this many of the last lines, of each so much, and so much in all.
const LINES: usize = 60;
const LINE_BYTES: usize = 4 * 1024;
const BYTES: usize = 16 * 1024;

/// A server that a command of the shell started, with everything it started itself.
pub(crate) struct Process {
    child: tokio::sync::Mutex<Child>,
    group: Option<u32>,
    output: Output,
    readers: Vec<JoinHandle<()>>,
}

/// The last lines of both streams.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<VecDeque<Line>>>);

/// A line, as far as it has come and is kept.
struct Line {
    /// Which of the streams it came from.
    stream: Stream,
    bytes: Vec<u8>,
    /// How many more there were.
    left_out: usize,
    ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

impl Process {
    /// Runs `command` with these variables, and those that this process has, but for those in `without`.
    pub(crate) fn start(command: &str, environment: &Environment, without: &[String]) -> Result<Self, Ended> {
        let mut shell = Command::new("sh");
        for variable in without {
            shell.env_remove(variable);
        }
        shell
            .args(["-c", command])
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // A group of its own: a server that starts others (npm, uv) is stopped with them.
        #[cfg(unix)]
        shell.process_group(0);
        let mut child = shell.spawn().map_err(|error| Ended {
            exit: None,
            output: format!("the shell cannot be started: {error}"),
        })?;
        let output = Output::default();
        let mut readers = Vec::new();
        readers.extend(
            child
                .stdout
                .take()
                .map(|stream| output.keep(Stream::Stdout, stream)),
        );
        readers.extend(
            child
                .stderr
                .take()
                .map(|stream| output.keep(Stream::Stderr, stream)),
        );
        Ok(Self {
            group: child.id(),
            child: tokio::sync::Mutex::new(child),
            output,
            readers,
        })
    }

    /// How it ended, if it has.
    pub(crate) async fn ended(&self) -> Option<Ended> {
        let status = self.child.lock().await.try_wait().ok()??;
        // What it said last is still on its way through the pipes.
        let read = async {
            while !self.readers.iter().all(JoinHandle::is_finished) {
                tokio::task::yield_now().await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), read).await;
        Some(Ended {
            exit: status.code(),
            output: self.output(),
        })
    }

    /// The last lines it printed.
    pub(crate) fn output(&self) -> String {
        let lines = self.output.0.lock();
        lines.iter().map(Line::text).collect::<Vec<_>>().join("\n")
    }

    /// Asks it to stop, and kills it when it does not.
    pub(crate) async fn stop(self) {
        let mut child = self.child.lock().await;
        signal(self.group, Signal::Stop);
        let stopped = tokio::time::timeout(GRACE, child.wait()).await;
        // The leader may be gone and its children not. Should nobody wait so long, dropping does the same.
        signal(self.group, Signal::Kill);
        if stopped.is_err() {
            let _ = child.wait().await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        signal(self.group, Signal::Kill);
        for reader in &self.readers {
            reader.abort();
        }
    }
}

#[derive(Clone, Copy)]
enum Signal {
    Stop,
    Kill,
}

#[cfg(unix)]
fn signal(group: Option<u32>, signal: Signal) {
    use rustix::process::{Pid, Signal as Unix, kill_process_group};
    let signal = match signal {
        Signal::Stop => Unix::TERM,
        Signal::Kill => Unix::KILL,
    };
    let group = group
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(group) = group {
        // It may be gone already.
        let _ = kill_process_group(group, signal);
    }
}

#[cfg(not(unix))]
fn signal(_: Option<u32>, _: Signal) {}

impl Output {
    fn keep(&self, stream: Stream, source: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
        let output = self.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(source);
            while let Ok(bytes) = reader.fill_buf().await
                && !bytes.is_empty()
            {
                output.add(stream, bytes);
                let count = bytes.len();
                reader.consume(count);
            }
        })
    }

    /// Adds what came next on a stream, which may be a part of a line.
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
            while lines.len() > LINES || kept(&lines) > BYTES {
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
        let room = LINE_BYTES - self.bytes.len();
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
    fn lines_of_both_streams_stay_whole() {
        let output = Output::default();
        output.add(Stream::Stdout, b"one\r\ntwo, in ");
        output.add(Stream::Stderr, b"wrong\n");
        output.add(Stream::Stdout, b"parts\n\nno end");
        assert_eq!(text(&output), "one\ntwo, in parts\nwrong\n\nno end");
    }

    #[test]
    fn a_flood_is_cut() {
        let output = Output::default();
        for _ in 0..100 {
            output.add(Stream::Stdout, &[b'x'; 8_192]);
        }
        assert_eq!(
            text(&output),
            format!("{}… (815104 more bytes)", "x".repeat(LINE_BYTES))
        );
        for number in 0..1_000 {
            output.add(Stream::Stderr, format!("{number}\n").as_bytes());
        }
        assert_eq!(text(&output).lines().count(), LINES);
        assert!(text(&output).ends_with("\n999"));
        for _ in 0..1_000 {
            output.add(Stream::Stderr, &[&[b'y'; 9_000][..], b"\n"].concat());
        }
        assert!(text(&output).len() <= BYTES + 1_000, "{}", text(&output).len());
    }
}
