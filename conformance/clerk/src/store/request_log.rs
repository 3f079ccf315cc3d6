//! Request counters and a log of the last requests, without secrets.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use parking_lot::Mutex;
use poem::{
    Request,
    http::{StatusCode, header},
};
use tokio::sync::watch;

use crate::store::endpoint::Endpoint;

/// Number of requests kept in the log.
const CAPACITY: usize = 1_000;
/// Longer path segments are hidden: they are not ids, and may be tokens that a client put into the path.
const MAX_SEGMENT: usize = 36;
/// Prefixes of secrets.
const SECRET_PREFIXES: [&str; 6] = ["sk_", "ak_", "mt_", "oat_", "ey", "Bearer"];

/// A request in the log. Query, header values and body are not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// Sequence number, counted from 1.
    pub number: u64,
    /// When the request arrived.
    pub at: Timestamp,
    /// The endpoint; `None` for an unknown path.
    pub endpoint: Option<Endpoint>,
    /// The HTTP method.
    pub method: String,
    /// The path without the query. Segments that may be secrets are replaced by `…`.
    pub path: String,
    /// Whether the URL has a query. It is not recorded, because it may contain secrets.
    pub has_query: bool,
    /// The scheme of the `Authorization` header, if it is `Bearer` or `Basic`.
    pub authorization: Option<String>,
    /// The status of the response; `None` until there is one.
    pub status: Option<u16>,
    /// The [name](crate::Fault::name) of the fault that was applied.
    pub fault: Option<&'static str>,
}

/// Request counters and the last requests.
#[derive(Debug)]
pub(crate) struct RequestLog {
    entries: Mutex<Entries>,
    /// Notifies waiters of each new request.
    arrived: watch::Sender<u64>,
    /// Bytes that were sent of huge answers.
    huge_bytes: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Entries {
    counts: HashMap<Endpoint, u64>,
    number: u64,
    records: VecDeque<RequestRecord>,
}

impl RequestLog {
    pub(crate) fn new() -> Self {
        Self {
            entries: Mutex::default(),
            arrived: watch::Sender::new(0),
            huge_bytes: Arc::default(),
        }
    }

    /// Records a request before it is handled. Returns its number.
    pub(crate) fn begin(&self, endpoint: Option<Endpoint>, request: &Request, now: Timestamp) -> u64 {
        let number = {
            let mut entries = self.entries.lock();
            entries.number += 1;
            let number = entries.number;
            if let Some(endpoint) = endpoint {
                *entries.counts.entry(endpoint).or_default() += 1;
            }
            if entries.records.len() >= CAPACITY {
                entries.records.pop_front();
            }
            entries.records.push_back(RequestRecord {
                number,
                at: now,
                endpoint,
                method: request.method().to_string(),
                path: redacted_path(request.original_uri().path()),
                has_query: request.original_uri().query().is_some(),
                authorization: authorization_scheme(request),
                status: None,
                fault: None,
            });
            number
        };
        self.arrived.send_replace(number);
        number
    }

    /// Records the response, unless the request has been dropped from the log.
    pub(crate) fn finish(&self, number: u64, status: StatusCode, fault: Option<&'static str>) {
        let mut entries = self.entries.lock();
        if let Some(record) = entries
            .records
            .iter_mut()
            .rev()
            .find(|record| record.number == number)
        {
            record.status = Some(status.as_u16());
            record.fault = fault;
        }
    }

    /// Returns how many bytes were sent of answers with the fault [`Huge`](crate::Fault::Huge). Clients that
    /// limit the size of answers stop reading, so that the rest is not sent.
    pub(crate) fn huge_bytes(&self) -> u64 {
        self.huge_bytes.load(Ordering::Relaxed)
    }

    /// Returns the counter behind [`huge_bytes`](Self::huge_bytes).
    pub(crate) fn huge_bytes_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.huge_bytes)
    }

    pub(crate) fn count(&self, endpoint: Endpoint) -> u64 {
        self.entries
            .lock()
            .counts
            .get(&endpoint)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn records(&self) -> Vec<RequestRecord> {
        self.entries.lock().records.iter().cloned().collect()
    }

    /// Deletes all records and counters.
    pub(crate) fn clear(&self) {
        let mut entries = self.entries.lock();
        entries.counts.clear();
        entries.records.clear();
        self.huge_bytes.store(0, Ordering::Relaxed);
    }

    /// Waits until an endpoint has received at least this many requests.
    pub(crate) async fn wait_for_count(&self, endpoint: Endpoint, count: u64) {
        let mut arrived = self.arrived.subscribe();
        while self.count(endpoint) < count {
            // Cannot fail while `self` holds the sender.
            if arrived.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Replaces path segments that may be secrets by `…`.
fn redacted_path(path: &str) -> String {
    let shown: Vec<&str> = path
        .split('/')
        .map(|segment| {
            let may_be_secret = segment.len() > MAX_SEGMENT
                || SECRET_PREFIXES.iter().any(|prefix| segment.starts_with(prefix));
            if may_be_secret { "…" } else { segment }
        })
        .collect();
    shown.join("/")
}

fn authorization_scheme(request: &Request) -> Option<String> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, _) = value.split_once(' ')?;
    ["Bearer", "Basic"]
        .into_iter()
        .find(|logged| scheme.eq_ignore_ascii_case(logged))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_segments_that_may_be_secrets_are_hidden() {
        for (path, shown) in [
            ("/oauth/token", "/oauth/token"),
            (
                "/backend/v1/users/user_2sAdaLovelace0000000000000A",
                "/backend/v1/users/user_2sAdaLovelace0000000000000A",
            ),
            ("/oat_ABCDEF/x", "/…/x"),
            ("/users/sk_test_x", "/users/…"),
            ("/eyJhbGciOiJSUzI1NiJ9.e30.x", "/…"),
            (&format!("/{}", "a".repeat(43)), "/…"),
        ] {
            assert_eq!(redacted_path(path), shown);
        }
    }

    #[test]
    fn the_oldest_requests_are_dropped() {
        let log = RequestLog::new();
        for _ in 0..CAPACITY + 5 {
            log.begin(Some(Endpoint::Jwks), &Request::default(), Timestamp::UNIX_EPOCH);
        }
        let records = log.records();
        assert_eq!((records.len(), records[0].number), (CAPACITY, 6));
        assert_eq!(log.count(Endpoint::Jwks), CAPACITY as u64 + 5);
    }
}
