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

/// How much of what a server prints is kept.
const LINES: usize = 60;

/// A server that a command of the shell started, with everything it started itself.
pub(crate) struct Process {
    child: tokio::sync::Mutex<Child>,
    group: Option<u32>,
    output: Output,
    readers: Vec<JoinHandle<()>>,
}

/// The last lines of both streams.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<VecDeque<String>>>);

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
        readers.extend(child.stdout.take().map(|stream| output.keep(stream)));
        readers.extend(child.stderr.take().map(|stream| output.keep(stream)));
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
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
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
    fn keep(&self, stream: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
        let Self(lines) = self.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line).await, Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                let mut lines = lines.lock();
                if lines.len() == LINES {
                    lines.pop_front();
                }
                lines.push_back(text);
                line.clear();
            }
        })
    }
}
