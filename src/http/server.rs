//! The accept loop, which enforces the connection limits.
//!
//! `poem::Server` is not used: it does not limit connections or the time to send a head, and it does not
//! notice when a client disconnects, so tool calls would keep running.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use poem::{
    Endpoint, Request,
    endpoint::BoxEndpoint,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    activity::{Activity, WatchedBody},
    limits::ServerLimits,
};
use crate::log_limit::log_limited;

/// Serves `endpoint` on `listener` until `stop` completes, then shuts down: it accepts connections for the
/// drain period, closes the listener, and waits for requests in flight until the grace period ends.
///
/// ```
/// use std::time::Duration;
///
/// use clerk_mcp::http::{ServerLimits, serve};
/// use poem::{EndpointExt, Route, endpoint::make_sync};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let app = Route::new().at("/", make_sync(|_| "hello"));
/// let stop = async { /* a signal */ };
/// serve(listener, app.boxed(), ServerLimits::new(100, Duration::from_secs(20)), stop).await
/// # })?;
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// Returns an error if the local address of `listener` cannot be read.
pub async fn serve(
    listener: TcpListener,
    endpoint: BoxEndpoint<'static>,
    limits: ServerLimits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_on(listener, endpoint, limits, stop).await
}

/// Like [`serve`], on any source of connections.
pub(super) async fn serve_on(
    listener: impl Listener,
    endpoint: BoxEndpoint<'static>,
    limits: ServerLimits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let local = listener.local_addr()?;
    let endpoint: Arc<BoxEndpoint<'static>> = Arc::new(endpoint);
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let connections = TaskTracker::new();
    let stopping = CancellationToken::new();
    // Closes all connections when this function returns or its future is dropped.
    let abort = CancellationToken::new();
    let _abort_on_drop = abort.clone().drop_guard();
    let drain = limits.drain.min(limits.shutdown_grace);
    let mut stop = pin!(async {
        stop.await;
        sleep(drain).await;
    });
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, remote, slot)) = accepted else {
            continue;
        };
        let connection = Connection {
            stream,
            local,
            remote,
            endpoint: Arc::clone(&endpoint),
            limits,
        };
        let (stopping, abort) = (stopping.clone(), abort.clone());
        connections.spawn(async move {
            tokio::select! {
                () = connection.serve(stopping) => {}
                () = abort.cancelled() => {}
            }
            drop(slot);
        });
    }
    drop(listener);
    stopping.cancel();
    connections.close();
    let rest = limits.shutdown_grace.saturating_sub(drain);
    if timeout(rest, connections.wait()).await.is_err() {
        tracing::warn!(grace = ?limits.shutdown_grace, "the shutdown grace period ended: closing connections with requests in flight");
    }
    Ok(())
}

/// A source of connections: TCP, or the simulated network of a test.
pub(super) trait Listener: Sync {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Waits for the next connection, and returns it with the address of its client.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Returns the address that clients connect to.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, remote) = self.accept().await?;
        // Responses are small and written at once, so Nagle's algorithm would only delay them.
        let _ = stream.set_nodelay(true);
        Ok((stream, remote))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}

/// Waits until fewer than `max_connections` connections are open, then accepts the next one. Returns `None`
/// if accepting fails.
async fn accept<L: Listener>(
    listener: &L,
    slots: &Arc<Semaphore>,
) -> Option<(L::Stream, SocketAddr, OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, remote)) => Some((stream, remote, slot)),
        Err(error) => {
            // Usually "too many open files". Without a pause, this loop would spin.
            log_limited!(warn, "accept", %error, "cannot accept a connection");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

struct Connection<S> {
    stream: S,
    local: SocketAddr,
    remote: SocketAddr,
    endpoint: Arc<BoxEndpoint<'static>>,
    limits: ServerLimits,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection<S> {
    /// Serves requests until the client disconnects, the connection is idle for too long, or `stopping` is
    /// cancelled.
    async fn serve(self, stopping: CancellationToken) {
        let Self {
            stream,
            local,
            remote,
            endpoint,
            limits,
        } = self;
        let activity = Arc::new(Activity::new());
        let tracker = Arc::clone(&activity);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (endpoint, busy) = (Arc::clone(&endpoint), tracker.begin());
            async move {
                let remote = RemoteAddr(remote.into());
                let request = Request::from((request, LocalAddr(local.into()), remote, Scheme::HTTP));
                let response = hyper::Response::from(endpoint.get_response(request).await);
                let sending = busy.sending();
                Ok::<_, Infallible>(response.map(|body| WatchedBody::new(body, sending)))
            }
        });
        let builder = protocol(&limits);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let close_timeout = tokio::select! {
            // Disconnects and protocol errors of clients are not logged.
            _ = connection.as_mut() => return,
            () = activity.idle(&limits) => CLOSE_TIMEOUT,
            // Requests in flight get the grace period; idle connections are closed at once.
            () = stopping.cancelled() => if activity.is_busy() { limits.shutdown_grace } else { CLOSE_TIMEOUT },
        };
        connection.as_mut().graceful_shutdown();
        // A request that arrived during the shutdown is still served; it has its own time limit.
        while timeout(close_timeout, connection.as_mut()).await.is_err() && activity.is_serving() {}
    }
}

/// Configures HTTP/1.1 and HTTP/2; the first bytes of a connection decide which one is used.
fn protocol(limits: &ServerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        .max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(HTTP2_PING_INTERVAL))
        .max_header_list_size(MAX_HEADER_LIST_BYTES)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS);
    builder
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time to send the last bytes before a connection is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Room for a token of 16 KiB and 48 KiB of other headers.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADER_LIST_BYTES: u32 = 64 * 1024;
const MAX_CONCURRENT_STREAMS: u32 = 32;
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
