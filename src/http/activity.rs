//! What happens on one connection: requests being served, answers being sent, and when the client last took a part.

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

/// What goes on on one connection. hyper's own time limits end where a head was read: a client that takes no answers, or
/// only answers pings, would keep its place for ever.
pub(super) struct Activity {
    spoke: AtomicBool,
    serving: AtomicUsize,
    sending: AtomicUsize,
    last_progress: Mutex<Instant>,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            spoke: AtomicBool::new(false),
            serving: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            last_progress: Mutex::new(Instant::now()),
        }
    }

    pub(super) fn begin(self: &Arc<Self>) -> Serving {
        self.spoke.store(true, Ordering::Relaxed);
        self.serving.fetch_add(1, Ordering::Relaxed);
        Serving(Arc::clone(self))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.serving.load(Ordering::Relaxed) + self.sending.load(Ordering::Relaxed) > 0
    }

    pub(super) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Relaxed) > 0
    }

    fn progress(&self) {
        *self.last_progress.lock() = Instant::now();
    }

    /// Ends when nothing was served and nothing taken for as long as the limits allow. Requests being served have a time
    /// limit of their own.
    pub(super) async fn silence(&self, limits: &ServerLimits) {
        loop {
            let spoke = self.spoke.load(Ordering::Relaxed);
            let allowed = if spoke {
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

/// A request that is being served.
pub(super) struct Serving(Arc<Activity>);

impl Serving {
    /// It's served; its answer is being sent.
    pub(super) fn sending(self) -> Sending {
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
pub(super) struct Sending(Arc<Activity>);

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
pub(super) struct WatchedBody<B> {
    body: B,
    /// What is left of the last part of `body`.
    rest: Bytes,
    sending: Sending,
}

impl<B> WatchedBody<B> {
    /// Watches `body`.
    pub(super) fn new(body: B, sending: Sending) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            sending,
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
