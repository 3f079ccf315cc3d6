//! What stops a run from outside: Ctrl-C, a CI that gives up, a terminal that is closed.

use std::future::Future;

#[cfg(unix)]
use anyhow::Context as _;

/// Resolves when the program is told to stop, with the number of the signal. The handlers are in place when this
/// returns, so that no target is started before. What the program is to ignore from its start (`nohup`) stays ignored.
#[cfg(unix)]
pub(crate) fn interrupted() -> anyhow::Result<impl Future<Output = u8>> {
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

#[cfg(unix)]
async fn next(stream: Option<&mut tokio::signal::unix::Signal>) {
    match stream {
        Some(stream) => {
            stream.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// The signals that are ignored, a bit for each from the lowest, where the system tells (Linux).
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// The same where there is nothing but Ctrl-C.
#[cfg(not(unix))]
pub(crate) fn interrupted() -> anyhow::Result<impl Future<Output = u8>> {
    Ok(async {
        match tokio::signal::ctrl_c().await {
            Ok(()) => 2,
            Err(_) => std::future::pending().await,
        }
    })
}
