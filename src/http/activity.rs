//! Tracks the activity of one connection: requests in progress, responses being sent, and the time of the
//! last progress.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use super::limits::ServerLimits;

/// The activity of one connection.
///
/// hyper's own timeout only covers reading the request head, and is turned off. Without this type, a client
/// that sends its head slowly, never reads its responses, or only answers HTTP/2 pings, could keep its
/// connection open forever.
pub(super) struct Activity {
    received_request: AtomicBool,
    serving: AtomicUsize,
    sending: AtomicUsize,
    last_progress: Mutex<Instant>,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            received_request: AtomicBool::new(false),
            serving: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            last_progress: Mutex::new(Instant::now()),
        }
    }

    /// Records the start of a request.
    pub(super) fn begin(self: &Arc<Self>) -> Exchange {
        self.received_request.store(true, Ordering::Relaxed);
        self.serving.fetch_add(1, Ordering::Relaxed);
        Exchange {
            activity: Arc::clone(self),
            is_sending: false,
        }
    }

    /// Returns whether a request is in progress or a response is being sent.
    pub(super) fn is_busy(&self) -> bool {
        self.serving.load(Ordering::Relaxed) + self.sending.load(Ordering::Relaxed) > 0
    }

    /// Returns whether a request is in progress.
    pub(super) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Relaxed) > 0
    }

    fn progress(&self) {
        *self.last_progress.lock() = Instant::now();
    }

    /// Completes when the connection has been idle for longer than `limits` allow: no request in progress,
    /// and the client has read nothing. Requests in progress have their own time limit.
    pub(super) async fn idle(&self, limits: &ServerLimits) {
        loop {
            let allowed = if self.received_request.load(Ordering::Relaxed) {
                limits.idle_timeout
            } else {
                limits.head_timeout
            };
            let last = *self.last_progress.lock();
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

/// Marks a request as in progress, and then its response as being sent, until dropped.
pub(super) struct Exchange {
    activity: Arc<Activity>,
    is_sending: bool,
}

impl Exchange {
    /// Records that the request is done and its response is being sent.
    pub(super) fn sending(mut self) -> Self {
        self.activity.sending.fetch_add(1, Ordering::Relaxed);
        self.activity.serving.fetch_sub(1, Ordering::Relaxed);
        self.is_sending = true;
        self.progress();
        self
    }

    /// Records that the response has begun, or that the client has read a part of it.
    fn progress(&self) {
        self.activity.progress();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.is_sending {
            // Progress was recorded with the last chunk, so the clock need not be read again.
            self.activity.sending.fetch_sub(1, Ordering::Relaxed);
        } else {
            self.activity.serving.fetch_sub(1, Ordering::Relaxed);
            self.progress();
        }
    }
}

/// A response body that records progress for each chunk. Chunks are small: hyper polls for the next one when
/// the client has read some of the previous ones, which distinguishes a slow client from one that reads
/// nothing.
pub(super) struct WatchedBody<B> {
    body: B,
    /// The part of the last frame that has not been passed on yet.
    rest: Bytes,
    exchange: Exchange,
}

impl<B> WatchedBody<B> {
    /// Wraps `body`.
    pub(super) fn new(body: B, exchange: Exchange) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            exchange,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for WatchedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            let polled = ready!(Pin::new(&mut self.body).poll_frame(cx));
            match polled.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        self.exchange.progress();
        let length = self.rest.len().min(CHUNK_BYTES);
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

/// Small enough that a client that reads 2 KB/s makes progress within the idle timeout, apart from what the
/// operating system buffers.
const CHUNK_BYTES: usize = 16 * 1024;
