//! What stops a run from outside: Ctrl-C, a CI that gives up, a terminal that is closed.

use std::future::Future;

#[cfg(unix)]
use anyhow::Context as _;

/// Resolves when the program is told to stop, with the number of the signal. The handlers are in place when this
/// returns, so that no target is started before.
#[cfg(unix)]
pub(crate) fn interrupted() -> anyhow::Result<impl Future<Output = u8>> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
            _ = hang_up.recv() => 1,
        }
    })
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
