//! [`ServerLimits`]: the limits of connections: their number, the time of a head, the idle time, the
//! shutdown.

use std::time::Duration;

/// Connection limits of [`serve`](super::serve).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerLimits {
    /// Maximum number of open connections. Further clients wait until a connection closes.
    pub max_connections: usize,
    /// Maximum time for a client to send the head of its first request.
    pub head_timeout: Duration,
    /// Maximum idle time of a connection: no request in progress, and the client reads no response data. Also
    /// limits the time between two requests. It should be longer than the idle timeout of a reverse proxy:
    /// otherwise the server may close a connection at the moment at which the proxy sends a request.
    pub idle_timeout: Duration,
    /// Grace period for requests in flight at shutdown.
    pub shutdown_grace: Duration,
    /// The first part of the grace period, during which new connections are still accepted, so that load
    /// balancers see the 503 of `/readyz`.
    pub drain: Duration,
}

impl ServerLimits {
    /// Creates limits with the default times: 10 s for the head, 75 s idle, no drain period.
    pub fn new(max_connections: usize, shutdown_grace: Duration) -> Self {
        Self {
            max_connections,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            shutdown_grace,
            drain: Duration::ZERO,
        }
    }
}
