//! The connection to Clerk's Backend API: its errors and the caches of its answers.

use std::{collections::HashMap, sync::Arc, time::Duration, time::Instant};

use parking_lot::Mutex;
use reqwest::{Client, redirect};
use serde_json::Value;

use super::{
    caller::Caller,
    flaw::Flaw,
    outbound::{REQUEST_TIMEOUT, http_client},
    refusal::Refusal,
};

/// Why a Backend API call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClerkError {
    /// 401: Clerk does not accept the secret key.
    KeyRejected,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 429, with the seconds of `Retry-After`.
    RateLimited(Option<u64>),
    /// 5xx, a timeout or a broken connection.
    Unavailable,
    /// The body is too large, is not JSON, or lacks expected members.
    Unexpected,
    /// Any other status.
    Rejected(u16),
}

impl ClerkError {
    /// Returns the sentence that the caller of a tool reads.
    pub(crate) fn sentence(&self) -> String {
        let sentence = match self {
            Self::KeyRejected => {
                "Clerk rejected this server's secret key. Trying again won't help; tell the server's operator."
            }
            Self::Forbidden => {
                "Clerk does not allow this for this application. Trying again won't help; tell the server's operator."
            }
            Self::NotFound => {
                "Clerk has no object with this id; it may have been deleted. Trying again won't help."
            }
            Self::RateLimited(wait) => {
                let wait = wait.unwrap_or(10);
                return format!("Clerk limits this server's requests. Try again in {wait} s.");
            }
            Self::Unavailable => "Clerk is not available at the moment. Try again in a minute.",
            Self::Unexpected => {
                "Clerk sent an unexpected response. Trying again is unlikely to help; tell the server's operator."
            }
            Self::Rejected(status) => {
                return format!(
                    "Clerk rejected the request (HTTP status {status}). Trying again won't help; tell the server's \
                     operator."
                );
            }
        };
        sentence.to_owned()
    }
}

/// The result of a cached Backend API call.
pub(crate) type ApiResult = Result<Arc<Value>, ClerkError>;
/// The result of a token lookup, and the time until which it is cached.
pub(crate) type CachedLookup = Option<(Result<Caller, Refusal>, Instant)>;
/// Cache entries by name. Each entry has its own lock, so that concurrent requests share one call.
pub(crate) type Slots<T> = Mutex<HashMap<String, Arc<tokio::sync::Mutex<T>>>>;

/// The HTTP client for the Backend API, and the caches of its answers.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) http: Client,
    /// Users and memberships, with the time of the call.
    pub(crate) answers: Slots<Option<(ApiResult, Instant)>>,
    /// Lookups of opaque tokens, by token.
    pub(crate) lookups: Slots<CachedLookup>,
}

impl Backend {
    pub(crate) fn new(flaw: Option<Flaw>) -> Self {
        let timeout = if flaw == Some(Flaw::ToolWaits) {
            Duration::from_mins(1)
        } else {
            REQUEST_TIMEOUT
        };
        Self {
            http: http_client(redirect::Policy::none(), timeout),
            answers: Mutex::default(),
            lookups: Mutex::default(),
        }
    }
}
