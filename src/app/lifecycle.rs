//! [`listen`] and [`shutdown_signal`]: the listener of the server, and the signal that stops it.

use std::{fmt, io, net::SocketAddr};

use thiserror::Error;
use tokio::net::TcpListener;

use crate::config::Config;

/// Binds the address that `HOST` and `PORT` set.
///
/// ```
/// use clerk_mcp::{app::{self, ListenError}, config::Config};
/// use tokio::net::TcpListener;
///
/// async fn start(config: &Config) -> Result<TcpListener, ListenError> {
///     app::listen(config).await
/// }
/// ```
///
/// # Errors
/// Returns a [`ListenError`] that says which variable to change, for example because another program uses the
/// port.
pub async fn listen(config: &Config) -> Result<TcpListener, ListenError> {
    let address = config.listen;
    TcpListener::bind(address).await.map_err(|source| {
        let variable = if source.kind() == io::ErrorKind::AddrNotAvailable {
            "HOST"
        } else {
            "PORT"
        };
        ListenError {
            address,
            variable,
            source,
        }
    })
}

/// Why the server cannot listen on an address, and which variable to change. `Debug` prints the same text as
/// `Display`, because a `main` that returns an error prints it with `Debug`.
#[derive(Error)]
pub struct ListenError {
    address: SocketAddr,
    variable: &'static str,
    source: io::Error,
}

impl ListenError {
    /// Creates an error for an address that the variable `variable` sets.
    #[cfg(feature = "cli")]
    pub(crate) fn new(address: SocketAddr, variable: &'static str, source: io::Error) -> Self {
        Self {
            address,
            variable,
            source,
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = match self.variable {
            "PORT" => "another port, or to 0 for a free port",
            "HOST" => "an address of this machine",
            _ => "another address",
        };
        write!(
            f,
            "[Clerk] Cannot listen on {}: {}. Set {} to {remedy}.",
            self.address,
            PlainIoError(&self.source),
            self.variable,
        )
    }
}

impl fmt::Debug for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Formats an I/O error from binding an address, without the operating system's error number.
pub(super) struct PlainIoError<'a>(pub(super) &'a io::Error);

impl fmt::Display for PlainIoError<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the standard library adds kinds")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            io::ErrorKind::AddrInUse => f.write_str("the address is in use by another program"),
            io::ErrorKind::PermissionDenied => {
                f.write_str("permission denied (ports below 1024 usually need root)")
            }
            io::ErrorKind::AddrNotAvailable => f.write_str("this machine does not have this address"),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// Returns a future that completes when the process is asked to stop: on Ctrl-C or SIGTERM. Pass it to
/// [`App::run`](super::App::run).
///
/// From this call on, SIGTERM no longer ends the process by itself.
///
/// # Errors
/// Returns an error if the operating system does not allow a handler for SIGTERM.
///
/// # Panics
/// Panics outside a Tokio runtime.
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()> + Send> {
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
