//! The limits of the accept loop.

use std::time::Duration;

/// Limits of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerLimits {
    /// Most connections at a time; more wait to be accepted.
    pub max_connections: usize,
    /// How long a client may take to send its first request's head.
    pub head_timeout: Duration,
    /// How long a connection may go without a request being served or a part of an answer being taken; also the time
    /// between two requests.
    pub idle_timeout: Duration,
    /// How long requests in flight may go on after the signal to stop.
    pub shutdown_grace: Duration,
    /// How much of that grace new connections are still accepted in, so that whoever sends requests here can see that it's
    /// time to send them elsewhere.
    pub drain: Duration,
}

impl ServerLimits {
    /// These limits, and what is usual for the times: 10 s for a head, a minute of silence, none to drain.
    pub fn new(max_connections: usize, shutdown_grace: Duration) -> Self {
        Self {
            max_connections,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
            shutdown_grace,
            drain: Duration::ZERO,
        }
    }
}
