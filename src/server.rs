//! The accept loop: the limits that stand before any route. `poem::Server` has none for headers and connections, and
//! doesn't notice a client that goes away, so calls would go on for nobody.

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
    server::{conn::auto, graceful::GracefulShutdown},
};
use poem::{
    Endpoint, Request, Response,
    endpoint::BoxEndpoint,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

/// Limits of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Most connections at a time; more wait to be accepted.
    pub max_connections: usize,
    /// How long a client may take to send a request's head, the first or the next.
    pub head_timeout: Duration,
    /// How long requests in flight may go on after the signal to stop.
    pub shutdown_grace: Duration,
}

/// How long a client may take to send a request's head.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves `endpoint` on `listener` until `stop` ends; then accepts no more, and waits for requests in flight as long as
/// the limits allow.
///
/// # Errors
/// When the listener has no address.
pub async fn serve(
    listener: TcpListener,
    endpoint: BoxEndpoint<'static>,
    limits: ServerLimits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let local = listener.local_addr()?;
    let endpoint: Arc<BoxEndpoint<'static>> = Arc::new(endpoint);
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let graceful = GracefulShutdown::new();
    // Ends every connection when this function is left, whichever way.
    let cut = CancellationToken::new();
    let _cut_at_end = cut.clone().drop_guard();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, remote, place)) = accepted else {
            continue;
        };
        let connection = Connection::new(stream, local, remote, Arc::clone(&endpoint), limits.head_timeout);
        let (watcher, cut) = (graceful.watcher(), cut.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = connection.serve(watcher) => {}
                () = cut.cancelled() => {}
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.shutdown_grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(grace = ?limits.shutdown_grace, "connections were still open after the grace and are cut");
    }
    Ok(())
}

type Place = tokio::sync::OwnedSemaphorePermit;

/// The next connection, once there's room for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, Place)> {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, remote)) => {
            // Answers are small and written at once; waiting to fill a segment only delays them.
            let _ = stream.set_nodelay(true);
            Some((stream, remote, place))
        }
        Err(error) => {
            // Too many open files, as a rule: without a pause this would spin.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

struct Connection {
    stream: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    endpoint: Arc<BoxEndpoint<'static>>,
    head_timeout: Duration,
}

impl Connection {
    fn new(
        stream: TcpStream,
        local: SocketAddr,
        remote: SocketAddr,
        endpoint: Arc<BoxEndpoint<'static>>,
        head_timeout: Duration,
    ) -> Self {
        Self {
            stream,
            local,
            remote,
            endpoint,
            head_timeout,
        }
    }

    async fn serve(self, watcher: hyper_util::server::graceful::Watcher) {
        let Self {
            stream,
            local,
            remote,
            endpoint,
            head_timeout,
        } = self;
        let spoke = Arc::new(AtomicBool::new(false));
        let first_request = Arc::clone(&spoke);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            first_request.store(true, Ordering::Relaxed);
            let endpoint = Arc::clone(&endpoint);
            async move {
                let request = Request::from((
                    request,
                    LocalAddr(local.into()),
                    RemoteAddr(remote.into()),
                    Scheme::HTTP,
                ));
                let response: Response = endpoint.get_response(request).await;
                Ok::<_, Infallible>(hyper::Response::from(response))
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(MAX_HEAD_BYTES);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(HTTP2_PING_INTERVAL))
            .max_header_list_size(MAX_HEADER_LIST_BYTES)
            .max_concurrent_streams(MAX_CONCURRENT_STREAMS);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        // While the version is not told from the first bytes, hyper's own timeout does not run.
        let silent = async {
            tokio::time::sleep(head_timeout).await;
            if spoke.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            // A client that breaks off or sends rubbish is nothing to report.
            _ = watcher.watch(connection.into_owned()) => {}
            () = silent => {}
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A head holds one token of 16 KiB, and four times as much besides.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADER_LIST_BYTES: u32 = 64 * 1024;
const MAX_CONCURRENT_STREAMS: u32 = 100;
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
