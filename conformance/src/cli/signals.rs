//! Signals that stop a run: Ctrl-C, SIGTERM (a CI system cancels the job) and SIGHUP (the terminal closes).

use std::future::Future;

#[cfg(unix)]
use anyhow::Context as _;

/// Returns a future that resolves with the number of the signal that stops the program. The handlers are
/// installed before this returns, so that no target starts without them. Signals that were ignored when the
/// program started, for example by `nohup`, stay ignored.
#[cfg(unix)]
pub(crate) fn stop_signal() -> anyhow::Result<impl Future<Output = u8>> {
    use tokio::signal::unix::{SignalKind, signal};
    let ignored = ignored();
    let listen = |kind: SignalKind| {
        let is_ignored = ignored >> (kind.as_raw_value() - 1) & 1 == 1;
        let stream = (!is_ignored).then(|| signal(kind)).transpose();
        stream.context("cannot listen for signals")
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            () = next(interrupt.as_mut()) => 2,
            () = next(terminate.as_mut()) => 15,
            () = next(hang_up.as_mut()) => 1,
        }
    })
}

/// Waits for the next signal, or forever if the signal is ignored.
#[cfg(unix)]
async fn next(stream: Option<&mut tokio::signal::unix::Signal>) {
    match stream {
        Some(stream) => {
            stream.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Returns the ignored signals as a bit mask, signal 1 in the lowest bit. Works on Linux and returns 0
/// elsewhere.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Returns a future that resolves on Ctrl-C, the only such event on this platform.
#[cfg(not(unix))]
pub(crate) fn stop_signal() -> anyhow::Result<impl Future<Output = u8>> {
    Ok(async {
        match tokio::signal::ctrl_c().await {
            Ok(()) => 2,
            Err(_) => std::future::pending().await,
        }
    })
}
