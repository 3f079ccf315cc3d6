//! [`RequestId`]: the id of an HTTP request, in the response header `x-request-id` and in every log line
//! about the request.

use std::fmt;

use uuid::Uuid;

/// A random UUID. The HTTP server puts it into the extensions of each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestId(Uuid);

impl RequestId {
    /// Returns a new id. It only has to be unique, so a fast generator is enough.
    pub(crate) fn random() -> Self {
        Self(uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
