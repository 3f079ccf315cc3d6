//! The accept loop: the limits that stand before any route. `poem::Server` has none for heads and connections, and
//! doesn't notice a client that goes away, so calls would go on for nobody.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    service::service_fn,
};
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
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

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

/// Serves `endpoint` on `listener` until `stop` ends; then drains, accepts no more, and waits for requests in flight, all
/// as long as the limits allow.
///
/// ```
/// use std::time::Duration;
///
/// use clerk_mcp::server::{ServerLimits, serve};
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
        let seen = Arc::clone(&activity);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (endpoint, busy) = (Arc::clone(&endpoint), seen.begin());
            async move {
                let remote = RemoteAddr(remote.into());
                let request = Request::from((request, LocalAddr(local.into()), remote, Scheme::HTTP));
                let response = hyper::Response::from(endpoint.get_response(request).await);
                let sending = busy.sending();
                Ok::<_, Infallible>(response.map(|body| Watched {
                    body,
                    rest: Bytes::new(),
                    sending,
                }))
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

/// What goes on on one connection. hyper's own time limits end where a head was read: a client that takes no answers, or
/// only answers pings, would keep its place for ever.
struct Activity {
    spoke: AtomicBool,
    serving: AtomicUsize,
    sending: AtomicUsize,
    last_progress: Mutex<Instant>,
}

impl Activity {
    fn new() -> Self {
        Self {
            spoke: AtomicBool::new(false),
            serving: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            last_progress: Mutex::new(Instant::now()),
        }
    }

    fn begin(self: &Arc<Self>) -> Serving {
        self.spoke.store(true, Ordering::Relaxed);
        self.serving.fetch_add(1, Ordering::Relaxed);
        Serving(Arc::clone(self))
    }

    fn is_busy(&self) -> bool {
        self.serving.load(Ordering::Relaxed) + self.sending.load(Ordering::Relaxed) > 0
    }

    fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Relaxed) > 0
    }

    fn progress(&self) {
        *self.last_progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Ends when nothing was served and nothing taken for as long as the limits allow. Requests being served have a time
    /// limit of their own.
    async fn silence(&self, limits: &ServerLimits) {
        loop {
            let spoke = self.spoke.load(Ordering::Relaxed);
            let allowed = if spoke {
                limits.idle_timeout
            } else {
                limits.head_timeout
            };
            let last = *self.last_progress.lock().unwrap_or_else(PoisonError::into_inner);
            if self.serving.load(Ordering::Relaxed) > 0 {
                sleep(allowed).await;
            } else if last.elapsed() >= allowed {
                return;
            } else {
                sleep_until(last + allowed).await;
            }
        }
    }
}

/// A request that is being served.
struct Serving(Arc<Activity>);

impl Serving {
    /// It's served; its answer is being sent.
    fn sending(self) -> Sending {
        self.0.sending.fetch_add(1, Ordering::Relaxed);
        Sending(Arc::clone(&self.0))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.serving.fetch_sub(1, Ordering::Relaxed);
        self.0.progress();
    }
}

/// An answer that is being sent.
struct Sending(Arc<Activity>);

impl Sending {
    /// The client took a part.
    fn progress(&self) {
        self.0.progress();
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.sending.fetch_sub(1, Ordering::Relaxed);
        self.0.progress();
    }
}

/// A body whose every part is progress. Given out in small parts: hyper takes the next one when the client took of those
/// before, so a slow client is told from one that takes nothing.
struct Watched<B> {
    body: B,
    /// What is left of the last part of `body`.
    rest: Bytes,
    sending: Sending,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            let polled = ready!(Pin::new(&mut self.body).poll_frame(cx));
            self.sending.progress();
            match polled.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        self.sending.progress();
        let length = self.rest.len().min(PART_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

/// Beyond what the system buffers, a client that takes two kilobytes a second is never cut.
const PART_BYTES: usize = 16 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection that is to end may take over its last bytes.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A head holds one token of 16 KiB, and four times as much besides.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADER_LIST_BYTES: u32 = 64 * 1024;
const MAX_CONCURRENT_STREAMS: u32 = 32;
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
