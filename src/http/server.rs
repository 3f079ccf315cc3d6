//! The accept loop, which enforces the connection limits.
//!
//! `poem::Server` is not used: it does not limit connections or the time to send a head, and it does not
//! notice when a client disconnects, so tool calls would keep running.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use poem::{
    Endpoint, Request,
    endpoint::BoxEndpoint,
    http::{HeaderValue, Version, header, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
#[cfg(target_os = "linux")]
use socket2::{SockFilter, SockRef};
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

/// Serves `endpoint` on `listener` until `stop` completes, then shuts down. No request is lost that completes
/// within the grace period:
///
/// 1. From then on, each HTTP/1.1 response has `Connection: close`, so that clients send no further request on
///    the connection (RFC 9112 §9.6).
/// 2. It accepts connections for the drain period, then those that the operating system has already
///    established, and closes the listener.
/// 3. It waits half a second for requests that are on their way, and for requests in flight until the grace
///    period ends. HTTP/2 clients get `GOAWAY` (RFC 9113 §6.8).
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
    let server = Server {
        shared: Arc::new(Shared {
            local,
            endpoint,
            limits,
            draining: AtomicBool::new(false),
        }),
        connections: TaskTracker::new(),
        stopping: CancellationToken::new(),
        abort: CancellationToken::new(),
    };
    // Closes all connections when this function returns or its future is dropped.
    let _abort_on_drop = server.abort.clone().drop_guard();
    let permits = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
    let drain = limits.drain.min(limits.shutdown_grace);
    let mut stop = pin!(async {
        stop.await;
        server.shared.draining.store(true, Ordering::Relaxed);
        sleep(drain).await;
    });
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &permits) => {
                if let Some((stream, remote, permit)) = accepted {
                    server.spawn(stream, remote, Some(permit));
                }
            }
        }
    }
    for (stream, remote) in listener.close() {
        server.spawn(stream, remote, None);
    }
    server.stopping.cancel();
    server.connections.close();
    let rest = limits.shutdown_grace.saturating_sub(drain);
    if timeout(rest, server.connections.wait()).await.is_err() {
        tracing::warn!(grace = ?limits.shutdown_grace, "the shutdown grace period ended: closing connections with requests in flight");
    }
    Ok(())
}

/// What every connection needs.
struct Shared {
    local: SocketAddr,
    endpoint: BoxEndpoint<'static>,
    limits: ServerLimits,
    /// Whether the server is about to stop, so that each response ends its connection.
    draining: AtomicBool,
}

/// The connections of a server.
struct Server {
    shared: Arc<Shared>,
    connections: TaskTracker,
    /// Cancelled when the listener is closed.
    stopping: CancellationToken,
    abort: CancellationToken,
}

impl Server {
    /// Serves a connection in a task of its own.
    fn spawn<S>(&self, stream: S, remote: SocketAddr, permit: Option<OwnedSemaphorePermit>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let connection = Connection {
            stream,
            remote,
            shared: Arc::clone(&self.shared),
        };
        let (stopping, abort) = (self.stopping.clone(), self.abort.clone());
        self.connections.spawn(async move {
            tokio::select! {
                () = connection.serve(stopping) => {}
                () = abort.cancelled() => {}
            }
            drop(permit);
        });
    }
}

/// A source of connections: TCP, or the simulated network of a test.
pub(super) trait Listener: Sync {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Waits for the next connection, and returns it with the address of its client.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Closes the listener. Returns the connections that the operating system has established: their clients
    /// may already have sent a request, which would be lost.
    fn close(self) -> Vec<(Self::Stream, SocketAddr)>;

    /// Returns the address that clients connect to.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, remote) = self.accept().await?;
        Ok((without_delay(stream), remote))
    }

    fn close(self) -> Vec<(TcpStream, SocketAddr)> {
        // The standard library's listener, because it closes faster. A connection that is established between the
        // last `accept` and the close is lost; on Linux, `stop_handshakes` prevents that.
        let Ok(listener) = self.into_std() else {
            return Vec::new();
        };
        stop_handshakes(&listener);
        let mut accepted = Vec::new();
        loop {
            match listener.accept() {
                Ok(connection) => accepted.push(connection),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => break,
            }
        }
        drop(listener);
        let to_tokio = |(stream, remote): (std::net::TcpStream, SocketAddr)| {
            stream.set_nonblocking(true).ok()?;
            Some((without_delay(TcpStream::from_std(stream).ok()?), remote))
        };
        accepted.into_iter().filter_map(to_tokio).collect()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}

/// Makes the operating system drop each SYN: a connection that is established after the last `accept` would be
/// reset, with its request. Clients repeat the SYN after a second, when the port is closed. If the system rejects
/// the filter, nothing changes.
#[cfg(target_os = "linux")]
fn stop_handshakes(listener: &std::net::TcpListener) {
    // Classic BPF on the TCP header. Connections that are accepted later inherit the filter, but receive no SYN.
    let filter = [
        // Load byte 13, the flags.
        SockFilter::new(0x30, 0, 0, 13),
        // Skip one instruction unless SYN is set.
        SockFilter::new(0x45, 0, 1, 0x02),
        // Drop the packet.
        SockFilter::new(0x06, 0, 0, 0),
        // Keep all bytes of the packet.
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ];
    let _ = SockRef::from(listener).attach_filter(&filter);
}

/// Does nothing: other systems have no such filter.
#[cfg(not(target_os = "linux"))]
fn stop_handshakes(_: &std::net::TcpListener) {}

/// Turns Nagle's algorithm off: responses are small and written at once, so it would only delay them.
fn without_delay(stream: TcpStream) -> TcpStream {
    let _ = stream.set_nodelay(true);
    stream
}

/// Waits until fewer than `max_connections` connections are open, then accepts the next one. Returns `None`
/// if accepting fails.
async fn accept<L: Listener>(
    listener: &L,
    permits: &Arc<Semaphore>,
) -> Option<(L::Stream, SocketAddr, OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, remote)) => Some((stream, remote, permit)),
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
    remote: SocketAddr,
    shared: Arc<Shared>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection<S> {
    /// Serves requests until the client disconnects, the connection is idle for too long, or `stopping` is
    /// cancelled.
    async fn serve(self, stopping: CancellationToken) {
        let Self {
            stream,
            remote,
            shared,
        } = self;
        let limits = shared.limits;
        let activity = Arc::new(Activity::new());
        let tracker = Arc::clone(&activity);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (shared, exchange) = (Arc::clone(&shared), tracker.begin());
            async move {
                // HTTP/2 has no such header.
                let is_http_1 = request.version() <= Version::HTTP_11;
                let remote = RemoteAddr(remote.into());
                let request = Request::from((request, LocalAddr(shared.local.into()), remote, Scheme::HTTP));
                let mut response = hyper::Response::from(shared.endpoint.get_response(request).await);
                if is_http_1 && shared.draining.load(Ordering::Relaxed) {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                let exchange = exchange.sending();
                Ok::<_, Infallible>(response.map(|body| WatchedBody::new(body, exchange)))
            }
        });
        let builder = protocol();
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let close_timeout = tokio::select! {
            // Disconnects and protocol errors of clients are not logged.
            _ = connection.as_mut() => return,
            () = activity.idle(&limits) => CLOSE_TIMEOUT,
            () = async {
                stopping.cancelled().await;
                // A request may be on its way.
                sleep(LAST_REQUEST_TIMEOUT).await;
            } => if activity.is_busy() { limits.shutdown_grace } else { CLOSE_TIMEOUT },
        };
        connection.as_mut().graceful_shutdown();
        // A request that arrived during the shutdown is still served; it has its own time limit.
        while timeout(close_timeout, connection.as_mut()).await.is_err() && activity.is_serving() {}
    }
}

/// Configures HTTP/1.1 and HTTP/2; the first bytes of a connection decide which one is used.
fn protocol() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // hyper gets no timer for HTTP/1.1: it would start and stop one for each request, and `Activity` also limits
    // the time of a head. Head and body are sent as one buffer, because most bodies are small.
    builder.http1().writev(false).max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(HTTP2_PING_INTERVAL))
        .max_header_list_size(MAX_HEADER_LIST_BYTES)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS);
    builder
}

pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection stays open after the listener is closed, for a request that is on its way.
pub(super) const LAST_REQUEST_TIMEOUT: Duration = Duration::from_millis(500);
/// Time to send the last bytes before a connection is closed.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Room for a token of 16 KiB and 48 KiB of other headers.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADER_LIST_BYTES: u32 = 64 * 1024;
const MAX_CONCURRENT_STREAMS: u32 = 32;
/// How much of a body a client may send before the endpoint reads it. The default of 1 MiB per connection would
/// let 10,000 connections fill 10 GB.
const HTTP2_STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::{TcpListener, TcpStream},
    };

    use socket2::{Domain, Socket, Type};

    use super::stop_handshakes;

    /// A connection that is established after the last `accept` would be reset, with the client's request.
    #[test]
    fn closing_listener_establishes_no_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let mut established = TcpStream::connect(address).unwrap();

        stop_handshakes(&listener);

        let late = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        late.set_nonblocking(true).unwrap();
        let _in_progress = late.connect(&address.into());
        let (mut accepted, _) = listener.accept().unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        established.write_all(b"request").unwrap();
        let mut received = [0; 7];
        accepted.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"request");
    }
}
