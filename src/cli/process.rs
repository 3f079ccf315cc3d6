//! What every command that runs something needs of the process: a runtime, listeners, the signal to stop.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

use super::error::Failure;

/// Binds the address that `HOST` and `PORT` make.
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

/// Binds an address; `variable` names the one to change when that fails.
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

/// Ends at Ctrl-C or SIGTERM.
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

/// The runtime of every command that runs something.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
