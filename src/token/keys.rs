//! [`JwksCache`]: the cached key set (JWKS) of one application, with background refresh.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwapOption;
use futures_util::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use parking_lot::Mutex;
use tracing::Instrument;

use super::{
    fetch::{FetchError, JwksFetcher},
    fetch_limit::{FetchLimit, FetchTrigger, RETRY_REFRESH_AFTER},
    jwk::{KeyReference, VerifyingKey, parse_key_set},
    key_source::KeySource,
};
use crate::{
    clock::Clock, flight::Flight, log_limit::log_limited, outbound::OutboundError, reason::Reason, trace,
};

/// The cached key set (JWKS) of one application.
///
/// - Known keys are returned from memory. A set older than five minutes is refreshed in the background.
/// - An unknown `kid` causes a fetch: a burst of two, then at most one every ten seconds, regardless of the
///   number of requests.
/// - Lookups that need a fetch join the one in flight. It runs in its own task, so it completes even if the
///   request that started it is cancelled. No lock is held while fetching.
/// - Only a set that was parsed successfully replaces the cached set. While Clerk is unavailable, the cached
///   set is used for an hour, and an unknown `kid` is reported as an outage, not as an invalid token.
#[derive(Debug, Clone)]
pub struct JwksCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fetcher: Box<dyn JwksFetcher>,
    clock: Arc<dyn Clock>,
    current: ArcSwapOption<KeySet>,
    fetches: Mutex<Fetches>,
}

#[derive(Debug)]
struct KeySet {
    keys: HashMap<String, Vec<VerifyingKey>>,
    fetched_at: Timestamp,
}

impl JwksCache {
    /// Creates an empty cache. The first lookup, or [`refresh`](Self::refresh), fetches the key set.
    pub fn new(fetcher: impl JwksFetcher, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            fetcher: Box::new(fetcher),
            clock,
            current: ArcSwapOption::empty(),
            fetches: Mutex::new(Fetches::default()),
        }))
    }

    /// Fetches the key set now, or joins the fetch in flight.
    ///
    /// # Errors
    /// Returns an error if the fetch fails. The old key set is kept.
    pub async fn refresh(&self) -> Result<(), FetchError> {
        wait_for(self.join_fetch()).await
    }

    /// Fetches the key set at once and then every five minutes until the future is dropped. After a failure,
    /// retries every ten seconds.
    pub async fn keep_fresh(self) {
        loop {
            let wait = match self.refresh().await {
                Ok(()) => REFRESH_AFTER,
                Err(_) => RETRY_REFRESH_AFTER,
            };
            // Real time instead of the injected clock: it only sets the interval, not how long a set may be
            // used.
            tokio::time::sleep(wait).await;
        }
    }

    /// Returns whether a usable key set is cached.
    pub fn holds_keys(&self) -> bool {
        self.usable().is_some()
    }

    /// Returns the ids of the cached keys, or `None` without a usable key set.
    pub(crate) fn key_ids(&self) -> Option<BTreeSet<String>> {
        self.usable().map(|set| set.keys.keys().cloned().collect())
    }

    /// Returns the cached set, unless it is too old to be used.
    fn usable(&self) -> Option<Arc<KeySet>> {
        self.0.current.load_full().filter(|set| self.age(set) < STALE_FOR)
    }

    /// Like [`usable`](Self::usable), but also starts a background refresh if the set is older than 5 min.
    fn usable_refreshed(&self) -> Option<Arc<KeySet>> {
        let set = self.usable()?;
        if self.age(&set) >= REFRESH_AFTER {
            let _ = self.join_fetch_if_allowed(FetchTrigger::StaleKeys);
        }
        Some(set)
    }

    fn age(&self, set: &KeySet) -> Duration {
        self.0.clock.now().duration_since(set.fetched_at).unsigned_abs()
    }

    /// Starts a fetch, or joins the one in flight.
    fn join_fetch(&self) -> PendingFetch {
        let mut fetches = self.0.fetches.lock();
        match fetches.flight() {
            Some(flight) => flight,
            None => fetches.start(self),
        }
    }

    /// Like [`join_fetch`](Self::join_fetch), but starts a fetch only if the limit allows it. Otherwise
    /// returns `Err` with the error of the last fetch, or `Err(None)` if that fetch succeeded.
    fn join_fetch_if_allowed(&self, trigger: FetchTrigger) -> Result<PendingFetch, Option<FetchError>> {
        let mut fetches = self.0.fetches.lock();
        if let Some(flight) = fetches.flight() {
            return Ok(flight);
        }
        if !fetches.limit.try_acquire(trigger, self.0.clock.now()) {
            return Err(fetches.last_error);
        }
        Ok(fetches.start(self))
    }

    async fn fetch_and_store(self) -> Result<(), FetchError> {
        let span = trace::clerk("key_set");
        let fetch = self.0.fetcher.fetch().instrument(span.clone());
        let outcome = fetch.await.and_then(|body| parse_key_set(&body));
        if outcome.is_err() {
            span.record("error.type", Reason::JwkRemoteFailedToLoad.as_str());
        }
        let now = self.0.clock.now();
        let label = if outcome.is_ok() { "ok" } else { "failed" };
        metrics::counter!("clerk_mcp_key_fetches_total", "outcome" => label).increment(1);
        let result = match outcome {
            Ok(keys) => {
                self.0.current.store(Some(Arc::new(KeySet {
                    keys,
                    fetched_at: now,
                })));
                Ok(())
            }
            Err(error) => {
                log_limited!(warn, "keys", reason = %Reason::JwkRemoteFailedToLoad, %error, "cannot fetch Clerk's keys");
                Err(error)
            }
        };
        let mut fetches = self.0.fetches.lock();
        fetches.in_flight = None;
        fetches.last_error = result.err();
        fetches.limit.record(now);
        result
    }
}

impl JwksCache {
    async fn look_up(&self, kid: &str) -> Result<Vec<VerifyingKey>, FetchError> {
        let cached = self.usable_refreshed();
        if let Some(keys) = cached.as_ref().and_then(|set| set.keys.get(kid)) {
            return Ok(keys.clone());
        }
        let trigger = if cached.is_some() {
            FetchTrigger::UnknownKey
        } else {
            FetchTrigger::NoKeys
        };
        match self.join_fetch_if_allowed(trigger) {
            Ok(flight) => wait_for(flight).await?,
            // The last fetch failed, so whether the kid exists is unknown.
            Err(Some(error)) => return Err(error),
            // The key set was fetched recently and does not have the kid.
            Err(None) => {}
        }
        let keys = self.usable().and_then(|set| set.keys.get(kid).cloned());
        Ok(keys.unwrap_or_default())
    }
}

impl KeySource for JwksCache {
    fn keys<'a>(&'a self, kid: &'a str) -> BoxFuture<'a, Result<Vec<VerifyingKey>, FetchError>> {
        self.look_up(kid).boxed()
    }

    fn holds(&self, key: &KeyReference) -> bool {
        self.usable_refreshed().is_some_and(|set| {
            set.keys
                .get(&key.kid)
                .into_iter()
                .flatten()
                .any(|cached| cached.matches(key))
        })
    }
}

type PendingFetch = Flight<Result<(), FetchError>>;

/// Waits for a fetch.
async fn wait_for(fetch: PendingFetch) -> Result<(), FetchError> {
    fetch.outcome().await.unwrap_or(Err(PANICKED))
}

/// The fetch in flight, and the limit of the next ones.
#[derive(Debug, Default)]
struct Fetches {
    in_flight: Option<PendingFetch>,
    /// The error of the last fetch, if it failed.
    last_error: Option<FetchError>,
    limit: FetchLimit,
}

impl Fetches {
    /// Returns the fetch in flight.
    fn flight(&self) -> Option<PendingFetch> {
        self.in_flight.clone().filter(Flight::is_running)
    }

    /// Starts a fetch.
    fn start(&mut self, cache: &JwksCache) -> PendingFetch {
        self.limit.record(cache.0.clock.now());
        // The outcome if the fetch panics; otherwise it replaces this.
        self.last_error = Some(PANICKED);
        let flight = Flight::start(cache.clone().fetch_and_store());
        self.in_flight = Some(flight.clone());
        flight
    }
}

/// A fetch that panicked counts as a broken connection.
const PANICKED: FetchError = FetchError::Outbound(OutboundError::Broken);
/// How often the key set is refreshed: the same interval as in Clerk's SDK.
const REFRESH_AFTER: Duration = Duration::from_mins(5);
/// How long a key set is used while Clerk is unavailable. **A key that Clerk revokes during an outage stays
/// trusted for this time.**
const STALE_FOR: Duration = Duration::from_hours(1);
