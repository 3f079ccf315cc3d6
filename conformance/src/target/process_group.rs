//! A process group: stops a server together with the processes that it started, for example through npm or
//! uv.

use tokio::process::{Child, Command};

/// A signal to a process group.
#[derive(Clone, Copy)]
pub(super) enum Signal {
    Stop,
    Kill,
}

/// The exit code of a process that has exited, or `None` if a signal terminated it.
pub(super) struct Exit(pub(super) Option<i32>);

/// A process group and its leader. The leader is reaped only after the group is killed, because the group has
/// the id of the leader, which the system can reuse after that.
#[cfg(unix)]
pub(super) struct ProcessGroup {
    child: Child,
    /// The id of the group, until it is killed.
    group: Option<rustix::process::Pid>,
}

#[cfg(unix)]
impl ProcessGroup {
    /// Makes the command start a new process group.
    pub(super) fn configure(command: &mut Command) {
        command.process_group(0);
    }

    /// Takes over the leader of a new group.
    pub(super) fn new(child: Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self {
            child,
            group: id.and_then(rustix::process::Pid::from_raw),
        }
    }

    /// Returns the exit code if the leader has exited.
    pub(super) fn exit(&self) -> Option<Exit> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        // NOWAIT does not reap the process, so this can be called again.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.group?), options).ok()??;
        Some(Exit(status.exit_status()))
    }

    /// Waits until the leader has exited.
    pub(super) async fn exited(&self) {
        use tokio::signal::unix::{SignalKind, signal};
        // Registers the handler first. Otherwise an exit between the check and the registration would be
        // missed.
        let Ok(mut exits) = signal(SignalKind::child()) else {
            return;
        };
        while self.exit().is_none() && exits.recv().await.is_some() {}
    }

    /// Sends a signal to the group, unless it was killed.
    pub(super) fn signal(&self, signal: Signal) {
        use rustix::process::{Signal as Unix, kill_process_group};
        let signal = match signal {
            Signal::Stop => Unix::TERM,
            Signal::Kill => Unix::KILL,
        };
        if let Some(group) = self.group {
            // An error means that the group no longer exists.
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

/// The process alone, on platforms without process groups.
#[cfg(not(unix))]
pub(super) struct ProcessGroup(parking_lot::Mutex<Child>);

#[cfg(not(unix))]
impl ProcessGroup {
    pub(super) fn configure(_: &mut Command) {}

    pub(super) fn new(child: Child) -> Self {
        Self(parking_lot::Mutex::new(child))
    }

    pub(super) fn exit(&self) -> Option<Exit> {
        let status = self.0.lock().try_wait().ok()??;
        Some(Exit(status.code()))
    }

    /// Returns at once, because this platform has no signal that asks a process to stop.
    pub(super) async fn exited(&self) {}

    pub(super) fn signal(&self, signal: Signal) {
        if matches!(signal, Signal::Kill) {
            let _ = self.0.lock().start_kill();
        }
    }

    pub(super) async fn kill(&mut self) {
        let _ = self.0.get_mut().kill().await;
    }
}
