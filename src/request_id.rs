//! [`RequestId`]: the id of an HTTP request, in the response header `x-request-id` and in every log line
//! about the request.

use std::fmt;

use uuid::Uuid;

/// A random UUID. The HTTP server puts it into the extensions of each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestId(Uuid);

tokio::task_local! {
    static CURRENT: RequestId;
}

impl RequestId {
    /// Returns a new id. It only has to be unique, so a fast generator is enough.
    pub(crate) fn random() -> Self {
        Self(uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid())
    }

    /// Returns the id of the request that the current task works on.
    #[cfg(feature = "cli")]
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(|id| *id).ok()
    }

    /// Returns `work` with this id as the current one.
    pub(crate) fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Runs `work` with this id as the current one.
    pub(crate) fn sync_scope<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }

    /// Returns the id in lower-case hexadecimal with hyphens, as ASCII.
    pub(crate) fn to_ascii(self) -> [u8; 36] {
        let mut text = [0; 36];
        self.0.hyphenated().encode_lower(&mut text);
        text
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
