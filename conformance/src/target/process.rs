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
    leader::{Exit, Leader, Signal},
};

/// How long a server may take to stop before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// How much of what a server prints is kept: this many of the last lines, of each so much, and so much in all.
const LINES: usize = 60;
const LINE_BYTES: usize = 4 * 1024;
const BYTES: usize = 16 * 1024;

/// How long what it said last may be on its way, when something that it started has its pipes open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A server that a command of the shell started, with everything it started itself.
pub(crate) struct Process {
    leader: Leader,
    output: Output,
    readers: Vec<JoinHandle<()>>,
    /// Closed when nobody has the pipes open any more.
    read: watch::Receiver<()>,
    ended: OnceCell<Ended>,
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
        Leader::of_a_group(&mut shell);
        let mut child = shell.spawn().map_err(|error| Ended {
            exit: None,
            output: format!("the shell cannot be started: {error}"),
        })?;
        let output = Output::default();
        let (reading, read) = watch::channel(());
        let mut readers = Vec::new();
        readers.extend(
            child
                .stdout
                .take()
                .map(|stream| output.keep(Stream::Stdout, stream, reading.clone())),
        );
        readers.extend(
            child
                .stderr
                .take()
                .map(|stream| output.keep(Stream::Stderr, stream, reading)),
        );
        Ok(Self {
            leader: Leader::new(child),
            output,
            readers,
            read,
            ended: OnceCell::new(),
        })
    }

    /// How it ended, if it has.
    pub(crate) async fn ended(&self) -> Option<Ended> {
        let Exit(exit) = self.leader.exit()?;
        let ended = self.ended.get_or_init(async || {
            let mut read = self.read.clone();
            let closed = async { while read.changed().await.is_ok() {} };
            let _ = tokio::time::timeout(LAST_WORDS, closed).await;
            Ended {
                exit,
                output: self.output(),
            }
        });
        Some(ended.await.clone())
    }

    /// The last lines it printed.
    pub(crate) fn output(&self) -> String {
        let lines = self.output.0.lock();
        lines.iter().map(Line::text).collect::<Vec<_>>().join("\n")
    }

    /// Asks it to stop, and kills it when it does not.
    pub(crate) async fn stop(mut self) {
        self.leader.signal(Signal::Stop);
        let _ = tokio::time::timeout(GRACE, self.leader.ended()).await;
        // It may be gone and what it started not. Should nobody wait so long, dropping does the same.
        self.leader.kill().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.leader.signal(Signal::Kill);
        for reader in &self.readers {
            reader.abort();
        }
    }
}

impl Output {
    fn keep(
        &self,
        stream: Stream,
        source: impl AsyncRead + Unpin + Send + 'static,
        reading: watch::Sender<()>,
    ) -> JoinHandle<()> {
        let output = self.clone();
        tokio::spawn(async move {
            // It is dropped at the end, which tells whoever waits.
            let _reading = reading;
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

    fn start(command: &str) -> Process {
        Process::start(command, &Environment::new(), &[]).unwrap()
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn who_holds_the_pipe_is_not_waited_for_forever() {
        let process = start("sleep 600 & echo said; exit 3");
        process.leader.ended().await;
        let ended = process.ended().await.unwrap();
        assert_eq!((ended.exit, ended.output.as_str()), (Some(3), "said"));
        assert_eq!(process.ended().await, Some(ended));
    }

    /// As long as the leader is not reaped, its id, which is that of the group, is nobody else's.
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
                // It ends before what it started, and is asked more than once.
                process.leader.ended().await;
                assert!(process.leader.exit().is_some());
                assert!(process.leader.exit().is_some(), "it is not reaped");
                drop(process);
            }
            // Whoever had it open is gone.
            assert_eq!(read.await.unwrap().unwrap(), b"");
        }
    }
}
