//! What was asked: counters, and the last requests without anything secret in them.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use parking_lot::Mutex;
use poem::{
    Request,
    http::{StatusCode, header},
};
use tokio::sync::watch;

use crate::store::endpoint::Endpoint;

/// How many requests are remembered.
const CAPACITY: usize = 1_000;
/// A part of a path beyond this length is no id, and may be a token that somebody put in the wrong place.
const MAX_SEGMENT: usize = 36;
/// What secrets begin with.
const SECRET_PREFIXES: [&str; 6] = ["sk_", "ak_", "mt_", "oat_", "ey", "Bearer"];

/// A request as the log shows it: no query, no header's value, no body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// Counts from 1.
    pub number: u64,
    /// When it came.
    pub at: Timestamp,
    /// Which endpoint it reached; `None` for a path that does not exist.
    pub endpoint: Option<Endpoint>,
    /// GET, POST.
    pub method: String,
    /// The path without the query. Parts that could be a secret are `…`.
    pub path: String,
    /// The scheme of the `Authorization` header: `Bearer`, `Basic`.
    pub authorization: Option<String>,
    /// The status of the answer; `None` as long as there is none.
    pub status: Option<u16>,
    /// The [name](crate::Fault::name) of the fault it met.
    pub fault: Option<&'static str>,
}

/// Counters and the last requests.
#[derive(Debug)]
pub(crate) struct RequestLog {
    entries: Mutex<Entries>,
    /// Tells whoever waits that a request has come.
    arrived: watch::Sender<u64>,
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
        }
    }

    /// Notes a request before it is looked at. Returns its number.
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
                path: shown_path(request.original_uri().path()),
                authorization: authorization_scheme(request),
                status: None,
                fault: None,
            });
            number
        };
        self.arrived.send_replace(number);
        number
    }

    /// Notes the answer, unless the request was forgotten meanwhile.
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

    /// Forgets requests and counters.
    pub(crate) fn clear(&self) {
        let mut entries = self.entries.lock();
        entries.counts.clear();
        entries.records.clear();
    }

    /// Waits until an endpoint has received this many requests.
    pub(crate) async fn wait_for_count(&self, endpoint: Endpoint, count: u64) {
        let mut arrived = self.arrived.subscribe();
        while self.count(endpoint) < count {
            // The sender lives as long as `self`.
            if arrived.changed().await.is_err() {
                return;
            }
        }
    }
}

fn shown_path(path: &str) -> String {
    let shown: Vec<&str> = path
        .split('/')
        .map(|segment| {
            let suspicious = segment.len() > MAX_SEGMENT
                || SECRET_PREFIXES.iter().any(|prefix| segment.starts_with(prefix));
            if suspicious { "…" } else { segment }
        })
        .collect();
    shown.join("/")
}

fn authorization_scheme(request: &Request) -> Option<String> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, _) = value.split_once(' ')?;
    ["Bearer", "Basic"]
        .into_iter()
        .find(|known| scheme.eq_ignore_ascii_case(known))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_without_what_may_be_secret() {
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
            assert_eq!(shown_path(path), shown);
        }
    }

    #[test]
    fn the_oldest_requests_are_forgotten() {
        let log = RequestLog::new();
        for _ in 0..CAPACITY + 5 {
            log.begin(Some(Endpoint::Jwks), &Request::default(), Timestamp::UNIX_EPOCH);
        }
        let records = log.records();
        assert_eq!((records.len(), records[0].number), (CAPACITY, 6));
        assert_eq!(log.count(Endpoint::Jwks), CAPACITY as u64 + 5);
    }
}
