//! [`BodyReader`]: reads request bodies, within limits on the size of one body and on the bytes that the
//! server holds, in total and per user.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use parking_lot::Mutex;
use poem::{
    Request, Response,
    http::{StatusCode, header},
};
use tokio::sync::Semaphore;

use super::json_rpc_error::{INVALID_REQUEST, SERVER_ERROR, error};
use crate::{reason::Reason, time_limit::within};

type BoxBody = http_body_util::combinators::BoxBody<Bytes, std::io::Error>;

/// Reads request bodies.
pub(super) struct BodyReader {
    max_bytes: usize,
    time_limit: Duration,
    held: Arc<Mutex<HeldBytes>>,
    /// Limits how many rejected bodies are read at the same time.
    discards: Arc<Semaphore>,
}

/// The bytes of bodies that are being read or processed. Not counted, so that usual requests need no lock:
/// bodies of at most [`FREE_BYTES`], and bodies that arrive in one piece, which the read buffer of the
/// connection limits.
#[derive(Default)]
struct HeldBytes {
    total: usize,
    by_subject: HashMap<String, usize>,
}

/// The body of a request. Its bytes count as held until it is dropped.
pub(super) struct RequestBody {
    pub(super) bytes: Bytes,
    _share: Option<Share>,
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// The body is larger than this limit, in bytes.
    TooLarge(usize),
    /// The body was not received in time.
    TimedOut,
    /// The bodies of this user take too many bytes.
    UserLimit,
    /// The bodies of all users take too many bytes.
    TotalLimit,
    /// The connection was lost, or the body is malformed.
    Broken,
}

impl BodyReader {
    pub(super) fn new(max_bytes: usize, time_limit: Duration) -> Self {
        Self {
            max_bytes,
            time_limit,
            held: Arc::default(),
            discards: Arc::new(Semaphore::new(MAX_DISCARDS)),
        }
    }

    /// Reads the body of a request that `subject` sent. A `Content-Length` above the limit is rejected before
    /// any byte is read.
    pub(super) async fn read(&self, request: &mut Request, subject: &str) -> Result<RequestBody, BodyError> {
        let mut body = BoxBody::from(request.take_body());
        let read = if body.size_hint().lower() > self.max_bytes as u64 {
            Err(BodyError::TooLarge(self.max_bytes))
        } else {
            let read = self.collect(&mut body, subject);
            within(self.time_limit, read)
                .await
                .unwrap_or(Err(BodyError::TimedOut))
        };
        // A client that sent `Expect: 100-continue` has not sent the body. Reading it would make hyper send 100
        // (Continue).
        if read.is_err()
            && !request.headers().contains_key(header::EXPECT)
            && let Ok(permit) = Arc::clone(&self.discards).try_acquire_owned()
        {
            tokio::spawn(async move {
                let _ = tokio::time::timeout(DISCARD_TIMEOUT, discard(body)).await;
                drop(permit);
            });
        }
        read
    }

    async fn collect(&self, body: &mut BoxBody, subject: &str) -> Result<RequestBody, BodyError> {
        let first = next(body).await?.unwrap_or_default();
        // The usual case: the whole body arrived with the head, and is not copied.
        if body.is_end_stream() && first.len() <= self.max_bytes {
            return Ok(RequestBody {
                bytes: first,
                _share: None,
            });
        }
        let mut share = Share {
            held: Arc::clone(&self.held),
            subject: subject.to_owned(),
            bytes: 0,
        };
        // Copied, because each part shares the read buffer of its connection, which can be much larger. With a
        // declared size, the copy never moves, so it takes no more memory than the bytes that were received.
        let declared = body.size_hint().exact().unwrap_or_default();
        let rest = usize::try_from(declared)
            .unwrap_or(usize::MAX)
            .min(self.max_bytes);
        let mut bytes = Vec::with_capacity(first.len() + rest);
        bytes.extend_from_slice(&first);
        drop(first);
        loop {
            if bytes.len() > self.max_bytes {
                return Err(BodyError::TooLarge(self.max_bytes));
            }
            share.grow(bytes.len(), self.max_bytes)?;
            match next(body).await? {
                Some(part) => bytes.extend_from_slice(&part),
                None => break,
            }
        }
        Ok(RequestBody {
            bytes: bytes.into(),
            _share: Some(share),
        })
    }
}

/// Returns the next part of a body, or `None` at its end.
async fn next(body: &mut BoxBody) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        // Trailers are ignored.
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Reads and drops the rest of a body. If the connection were closed before, the operating system of the client
/// could drop the response.
async fn discard(mut body: BoxBody) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// The bytes of one body, which no longer count when this is dropped.
struct Share {
    held: Arc<Mutex<HeldBytes>>,
    subject: String,
    bytes: usize,
}

impl Share {
    /// Counts the body with its new size.
    fn grow(&mut self, size: usize, max_bytes: usize) -> Result<(), BodyError> {
        if size <= FREE_BYTES {
            return Ok(());
        }
        let added = size - self.bytes;
        let mut held = self.held.lock();
        let of_subject = held.by_subject.get(&self.subject).copied().unwrap_or_default() + added;
        let total = held.total + added;
        if of_subject > MAX_BODIES_PER_USER.saturating_mul(max_bytes) {
            return Err(BodyError::UserLimit);
        }
        if total > MAX_BODIES.saturating_mul(max_bytes) {
            return Err(BodyError::TotalLimit);
        }
        held.total = total;
        held.by_subject.insert(self.subject.clone(), of_subject);
        self.bytes = size;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut held = self.held.lock();
        held.total -= self.bytes;
        if let Some(of_subject) = held.by_subject.get_mut(&self.subject) {
            *of_subject -= self.bytes;
            if *of_subject == 0 {
                held.by_subject.remove(&self.subject);
            }
        }
    }
}

impl BodyError {
    /// Returns the response to the request.
    pub(super) fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::TooLarge(limit) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                INVALID_REQUEST,
                format!("The message is larger than {limit} bytes"),
            ),
            Self::TimedOut => {
                Reason::RequestTimeout.count();
                (
                    StatusCode::REQUEST_TIMEOUT,
                    INVALID_REQUEST,
                    "The message was not received within the time limit".to_owned(),
                )
            }
            // RFC 6585 §4.
            Self::UserLimit => (
                StatusCode::TOO_MANY_REQUESTS,
                SERVER_ERROR,
                "You send too many large messages at once; wait for some of the responses".to_owned(),
            ),
            // RFC 9110 §15.6.4.
            Self::TotalLimit => (
                StatusCode::SERVICE_UNAVAILABLE,
                SERVER_ERROR,
                "The server receives too many large messages at once; try again later".to_owned(),
            ),
            Self::Broken => (
                StatusCode::BAD_REQUEST,
                INVALID_REQUEST,
                "The message could not be read".to_owned(),
            ),
        };
        let mut response = error(status, code, message, None);
        if matches!(self, Self::UserLimit | Self::TotalLimit) {
            Reason::BodyLimit.count();
            tracing::info!(reason = %Reason::BodyLimit, limit = ?self, "request rejected");
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        response
    }
}

/// Bodies of up to this size do not count: 10,000 of them take 160 MB.
const FREE_BYTES: usize = 16 * 1024;
/// How many bodies of the maximum size one user can send at once.
const MAX_BODIES_PER_USER: usize = 2;
/// How many bodies of the maximum size all users can send at once.
const MAX_BODIES: usize = 8;
const RETRY_AFTER_SECONDS: u64 = 1;
/// How long the rest of a rejected body is read.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);
/// How many rejected bodies are read at a time. Each takes a read buffer of up to 64 KiB. Connections of further
/// rejected bodies are closed at once.
const MAX_DISCARDS: usize = 64;
