//! The process that leads a group: a server that starts others (npm, uv) is stopped with them.

use tokio::process::{Child, Command};

/// What a group is told.
#[derive(Clone, Copy)]
pub(super) enum Signal {
    Stop,
    Kill,
}

/// That it has ended, and its exit code; none when a signal ended it.
pub(super) struct Exit(pub(super) Option<i32>);

/// The leader. It is not reaped before its group is killed: its id is the group's, and may then become another
/// program's.
#[cfg(unix)]
pub(super) struct Leader {
    child: Child,
    /// Until it is killed.
    group: Option<rustix::process::Pid>,
}

#[cfg(unix)]
impl Leader {
    /// Has the command start one.
    pub(super) fn of_a_group(command: &mut Command) {
        command.process_group(0);
    }

    pub(super) fn new(child: Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self {
            child,
            group: id.and_then(rustix::process::Pid::from_raw),
        }
    }

    /// How it ended, if it has.
    pub(super) fn exit(&self) -> Option<Exit> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        // It can be asked again.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.group?), options).ok()??;
        Some(Exit(status.exit_status()))
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) {
        use tokio::signal::unix::{SignalKind, signal};
        // From before it is looked at, or its end may come in between.
        let Ok(mut ends) = signal(SignalKind::child()) else {
            return;
        };
        while self.exit().is_none() && ends.recv().await.is_some() {}
    }

    /// Tells the group, unless it was killed.
    pub(super) fn signal(&self, signal: Signal) {
        use rustix::process::{Signal as Unix, kill_process_group};
        let signal = match signal {
            Signal::Stop => Unix::TERM,
            Signal::Kill => Unix::KILL,
        };
        if let Some(group) = self.group {
            // Whoever it cannot be told to is gone.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Kills the group, and reaps the leader.
    pub(super) async fn kill(&mut self) {
        self.signal(Signal::Kill);
        self.group = None;
        let _ = self.child.wait().await;
    }
}

/// The same where there are no groups.
#[cfg(not(unix))]
pub(super) struct Leader(parking_lot::Mutex<Child>);

#[cfg(not(unix))]
impl Leader {
    pub(super) fn of_a_group(_: &mut Command) {}

    pub(super) fn new(child: Child) -> Self {
        Self(parking_lot::Mutex::new(child))
    }

    pub(super) fn exit(&self) -> Option<Exit> {
        let status = self.0.lock().try_wait().ok()??;
        Some(Exit(status.code()))
    }

    /// There is nothing softer than to kill it.
    pub(super) async fn ended(&self) {}

    pub(super) fn signal(&self, signal: Signal) {
        if matches!(signal, Signal::Kill) {
            let _ = self.0.lock().start_kill();
        }
    }

    pub(super) async fn kill(&mut self) {
        let _ = self.0.get_mut().kill().await;
    }
}
