//! The keys that signatures are checked with: where they come from, and how long they are held.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwapOption;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use jiff::Timestamp;
use parking_lot::Mutex;
use thiserror::Error;

use super::{
    fetch::{FetchError, JwksFetcher},
    jwk::{KeyReference, StaticKey, VerifyingKey, parse_key_set},
};
use crate::{clock::Clock, reason::Reason};

/// Gives the key for a `kid`.
pub trait KeySource: fmt::Debug + Send + Sync + 'static {
    /// The key, or `None` when the application has none of that id, looked up afresh if need be.
    fn key(&self, kid: &str) -> impl Future<Output = Result<Option<VerifyingKey>, KeyLookupError>> + Send;

    /// Whether this very key may still be used: asked for each token that was verified before, and answered at once.
    fn holds(&self, key: &KeyReference) -> bool;
}

impl KeySource for StaticKey {
    async fn key(&self, _kid: &str) -> Result<Option<VerifyingKey>, KeyLookupError> {
        Ok(Some(self.0.clone()))
    }

    fn holds(&self, key: &KeyReference) -> bool {
        self.0.matches(key)
    }
}

/// The keys can't be had now: Clerk's fault or the network's, never the token's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no signing keys: {cause}")]
pub struct KeyLookupError {
    /// Why the last fetch failed.
    pub cause: FetchError,
}

/// One application's key set, held in memory.
///
/// - Known keys are answered from memory. A set older than five minutes is fetched again, and nobody waits for it.
/// - An unknown `kid` fetches the set, at most twice in a row and then once in ten seconds, however many ask.
/// - Whoever needs a fetch joins the one in flight. It runs on its own: a caller that goes away doesn't end it, and no
///   lock is held meanwhile.
/// - A set is replaced only by one that parsed, and serves for an hour while Clerk is away. Meanwhile nothing can be said
///   of an unknown `kid`: that's an outage, not a fault of the token.
#[derive(Debug, Clone)]
pub struct JwksCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fetcher: Box<dyn JwksFetcher>,
    clock: Arc<dyn Clock>,
    stale_for: Duration,
    current: ArcSwapOption<KeySet>,
    fetches: Mutex<Fetches>,
}

#[derive(Debug)]
struct KeySet {
    keys: HashMap<String, VerifyingKey>,
    fetched_at: Timestamp,
}

impl JwksCache {
    /// An empty cache; the first look-up, or [`refresh`](Self::refresh), fills it.
    pub fn new(fetcher: impl JwksFetcher, clock: Arc<dyn Clock>) -> Self {
        Self::with_stale_time(fetcher, clock, STALE_FOR)
    }

    /// As [`new`](Self::new), with another time for which a set serves while Clerk is away than an hour. **A key that
    /// Clerk withdrew meanwhile is trusted for as long.**
    pub fn with_stale_time(fetcher: impl JwksFetcher, clock: Arc<dyn Clock>, stale_for: Duration) -> Self {
        Self(Arc::new(Inner {
            fetcher: Box::new(fetcher),
            clock,
            stale_for,
            current: ArcSwapOption::empty(),
            fetches: Mutex::new(Fetches::default()),
        }))
    }

    /// Fetches the set now, joining a fetch in flight.
    ///
    /// # Errors
    /// When no set could be fetched; the old one stays.
    pub async fn refresh(&self) -> Result<(), FetchError> {
        self.join_fetch().await
    }

    /// Fetches the set at once and then every five minutes, sooner after a failure, until the future is dropped.
    pub async fn keep_fresh(self) {
        loop {
            let wait = match self.refresh().await {
                Ok(()) => REFRESH_AFTER,
                Err(_) => REFRESH_AGAIN_AFTER,
            };
            // Only when to look is decided here, by the machine's time; what a set is good for, the clock says.
            tokio::time::sleep(wait).await;
        }
    }

    /// Whether a set is held that may still be used.
    pub fn holds_keys(&self) -> bool {
        self.usable().is_some()
    }

    /// The ids of the keys that are held; `None` without a set.
    pub fn key_ids(&self) -> Option<BTreeSet<String>> {
        self.usable().map(|set| set.keys.keys().cloned().collect())
    }

    /// The set, if it may still be used.
    fn usable(&self) -> Option<Arc<KeySet>> {
        self.0
            .current
            .load_full()
            .filter(|set| self.age(set) < self.0.stale_for)
    }

    /// As [`usable`](Self::usable), for a token: a set that has aged is fetched again, and nobody waits for it.
    fn usable_refreshed(&self) -> Option<Arc<KeySet>> {
        let set = self.usable()?;
        if self.age(&set) >= REFRESH_AFTER {
            let _ = self.join_fetch_if_allowed(FetchCause::AgedKeys);
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

    /// As [`join_fetch`](Self::join_fetch), when the cool-down allows a new one; otherwise how the last one ended.
    fn join_fetch_if_allowed(&self, cause: FetchCause) -> Result<PendingFetch, Option<FetchError>> {
        let mut fetches = self.0.fetches.lock();
        if let Some(flight) = fetches.flight() {
            return Ok(flight);
        }
        if !fetches.take_turn(cause, self.0.clock.now()) {
            return Err(fetches.failed);
        }
        Ok(fetches.start(self))
    }

    async fn fetch_and_store(self) -> Result<(), FetchError> {
        let outcome = self.0.fetcher.fetch().await.and_then(|body| parse_key_set(&body));
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
                tracing::warn!(reason = %Reason::JwkRemoteFailedToLoad, %error, "Clerk's keys could not be fetched");
                Err(error)
            }
        };
        let mut fetches = self.0.fetches.lock();
        fetches.in_flight = None;
        fetches.failed = result.err();
        fetches.ended_at = Some(now);
        result
    }
}

impl KeySource for JwksCache {
    async fn key(&self, kid: &str) -> Result<Option<VerifyingKey>, KeyLookupError> {
        let held = self.usable_refreshed();
        if let Some(key) = held.as_ref().and_then(|set| set.keys.get(kid)) {
            return Ok(Some(key.clone()));
        }
        let cause = if held.is_some() {
            FetchCause::UnknownKey
        } else {
            FetchCause::NoKeys
        };
        match self.join_fetch_if_allowed(cause) {
            Ok(flight) => flight.await.map_err(|cause| KeyLookupError { cause })?,
            // The last fetch failed, so nothing can be said of this kid.
            Err(Some(cause)) => return Err(KeyLookupError { cause }),
            // The set is fresh enough: the kid is unknown.
            Err(None) => {}
        }
        Ok(self.usable().and_then(|set| set.keys.get(kid).cloned()))
    }

    fn holds(&self, key: &KeyReference) -> bool {
        self.usable_refreshed()
            .is_some_and(|set| set.keys.get(&key.kid).is_some_and(|held| held.matches(key)))
    }
}

type PendingFetch = Shared<BoxFuture<'static, Result<(), FetchError>>>;

/// Why a look-up wants a fetch.
#[derive(Debug, Clone, Copy)]
enum FetchCause {
    NoKeys,
    AgedKeys,
    UnknownKey,
}

/// The fetch in flight, and the cool-down.
#[derive(Debug, Default)]
struct Fetches {
    in_flight: Option<PendingFetch>,
    failed: Option<FetchError>,
    ended_at: Option<Timestamp>,
    /// How many turns unknown keys took and didn't get back yet, and from when the next one back is counted.
    turns_taken: u64,
    turns_counted_from: Timestamp,
}

impl Fetches {
    /// The fetch in flight. One whose task ended without saying so (a panic, a runtime that was shut down) is none.
    fn flight(&self) -> Option<PendingFetch> {
        self.in_flight.clone().filter(|flight| flight.peek().is_none())
    }

    /// Starts a fetch on a task of its own, so that it ends even when nobody waits for it any more.
    fn start(&mut self, cache: &JwksCache) -> PendingFetch {
        let task = tokio::spawn(cache.clone().fetch_and_store());
        let flight = async move {
            // The task does not panic; were the runtime to end it, there'd be no answer.
            task.await
                .unwrap_or(Err(FetchError::Outbound(crate::outbound::OutboundError::Broken)))
        }
        .boxed()
        .shared();
        self.in_flight = Some(flight.clone());
        flight
    }

    /// Whether a look-up may fetch now; counts it.
    fn take_turn(&mut self, cause: FetchCause, now: Timestamp) -> bool {
        let elapsed = |since: Timestamp, least: Duration| now.duration_since(since).unsigned_abs() >= least;
        match cause {
            FetchCause::NoKeys => self.ended_at.is_none_or(|ended| elapsed(ended, RETRY_COOLDOWN)),
            FetchCause::AgedKeys => self
                .ended_at
                .is_none_or(|ended| elapsed(ended, UNKNOWN_KEY_COOLDOWN)),
            FetchCause::UnknownKey => {
                // A bucket of turns that fills again one by one.
                let waited = now.duration_since(self.turns_counted_from).unsigned_abs();
                let given_back = waited.as_secs() / UNKNOWN_KEY_COOLDOWN.as_secs();
                self.turns_taken = self.turns_taken.saturating_sub(given_back);
                if given_back > 0 || self.turns_taken == 0 {
                    self.turns_counted_from = now;
                }
                let allowed = self.turns_taken < UNKNOWN_KEY_BURST;
                if allowed {
                    self.turns_taken += 1;
                }
                allowed
            }
        }
    }
}

/// Clerk's SDK holds keys for as long.
const REFRESH_AFTER: Duration = Duration::from_mins(5);
/// After a refresh that failed.
const REFRESH_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How long a set serves while Clerk is away. **A key that Clerk withdrew is trusted for at most this long.**
const STALE_FOR: Duration = Duration::from_hours(1);
/// Between two fetches when there are no keys: short, for every request waits on it.
const RETRY_COOLDOWN: Duration = Duration::from_secs(1);
/// Unknown kids are free to make up: two looks, then one in ten seconds, or a stranger makes us ask Clerk at will.
const UNKNOWN_KEY_BURST: u64 = 2;
const UNKNOWN_KEY_COOLDOWN: Duration = Duration::from_secs(10);
