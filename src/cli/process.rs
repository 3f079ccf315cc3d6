//! Process-level helpers that several commands share: the runtime, listeners, and the stop signal.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

use super::error::Failure;

/// Binds the listen address, which `HOST` and `PORT` set.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    bind(address, |error| {
        if error.kind() == io::ErrorKind::AddrNotAvailable {
            "HOST"
        } else {
            "PORT"
        }
    })
    .await
}

/// Binds `address`. If that fails, the error tells the operator to change the variable that `variable`
/// returns.
pub(super) async fn bind(
    address: SocketAddr,
    variable: impl Fn(&io::Error) -> &'static str,
) -> Result<TcpListener, Failure> {
    let failed = |source| Failure::Listen {
        address,
        variable: variable(&source),
        source,
    };
    TcpListener::bind(address).await.map_err(failed)
}

/// Returns a future that completes on Ctrl-C or SIGTERM.
pub(super) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Creates a multi-threaded Tokio runtime.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
