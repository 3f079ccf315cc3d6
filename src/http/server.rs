//! The accept loop: the limits that stand before any route. `poem::Server` has none for heads and connections, and
//! doesn't notice a client that goes away, so calls would go on for nobody.

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
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    activity::{Activity, WatchedBody},
    limits::ServerLimits,
};

/// Serves `endpoint` on `listener` until `stop` ends; then drains, accepts no more, and waits for requests in flight, all
/// as long as the limits allow.
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
    let connections = TaskTracker::new();
    let stopping = CancellationToken::new();
    // Ends every connection when this function is left, whichever way.
    let cut = CancellationToken::new();
    let _cut_at_end = cut.clone().drop_guard();
    let drain = limits.drain.min(limits.shutdown_grace);
    let mut stop = pin!(async {
        stop.await;
        sleep(drain).await;
    });
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, remote, place)) = accepted else {
            continue;
        };
        let connection = Connection {
            stream,
            local,
            remote,
            endpoint: Arc::clone(&endpoint),
            limits,
        };
        let (stopping, cut) = (stopping.clone(), cut.clone());
        connections.spawn(async move {
            tokio::select! {
                () = connection.serve(stopping) => {}
                () = cut.cancelled() => {}
            }
            drop(place);
        });
    }
    drop(listener);
    stopping.cancel();
    connections.close();
    let rest = limits.shutdown_grace.saturating_sub(drain);
    if timeout(rest, connections.wait()).await.is_err() {
        tracing::warn!(grace = ?limits.shutdown_grace, "requests were still in flight after the grace and are cut");
    }
    Ok(())
}

/// The next connection, once there's room for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
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
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

struct Connection {
    stream: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    endpoint: Arc<BoxEndpoint<'static>>,
    limits: ServerLimits,
}

impl Connection {
    /// Serves requests until the client leaves, falls silent, or `stopping`.
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
        let patience = tokio::select! {
            // A client that breaks off or sends rubbish is nothing to report.
            _ = connection.as_mut() => return,
            () = activity.silence(&limits) => LAST_WORDS,
            // What is being answered gets its time; a client that is in the middle of nothing gets none.
            () = stopping.cancelled() => if activity.is_busy() { limits.shutdown_grace } else { LAST_WORDS },
        };
        connection.as_mut().graceful_shutdown();
        // A request that came in at the last moment is served; it has a time limit of its own.
        while timeout(patience, connection.as_mut()).await.is_err() && activity.is_serving() {}
    }
}

/// Both versions of HTTP, told apart by the first bytes.
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
/// How long a connection that is to end may take over its last bytes.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A head holds one token of 16 KiB, and four times as much besides.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADER_LIST_BYTES: u32 = 64 * 1024;
const MAX_CONCURRENT_STREAMS: u32 = 32;
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
