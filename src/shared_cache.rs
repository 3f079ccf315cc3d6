//! [`SharedCache`]: a bounded cache with a lifetime per entry, in which concurrent lookups share a fetch.

use std::{collections::HashMap, fmt, hash::Hash, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;
use parking_lot::Mutex;
use tracing::Instrument;

use crate::{clock::Clock, flight::Flight};

/// A bounded cache in which concurrent lookups of the same key share one fetch. Each fetch, successful or
/// not, returns the lifetime of its value.
pub(crate) struct SharedCache<K, V>(Arc<Inner<K, V>>);

struct Inner<K, V> {
    name: &'static str,
    entries: Cache<K, Entry<V>>,
    in_flight: Mutex<HashMap<K, Flight<V>>>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Entry<V> {
    value: V,
    fresh_until: Timestamp,
}

impl<K, V> SharedCache<K, V>
where
    K: Clone + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Creates a cache of at most `capacity` entries. `name` is its label in metrics.
    pub(crate) fn new(name: &'static str, capacity: u64, clock: Arc<dyn Clock>) -> Self {
        // `clock` decides whether an entry is fresh. `time_to_live` only frees the memory of old entries.
        let entries = Cache::builder()
            .max_capacity(capacity)
            .time_to_live(FORGET_AFTER)
            .build();
        Self(Arc::new(Inner {
            name,
            entries,
            in_flight: Mutex::default(),
            clock,
        }))
    }

    /// Returns the value of `key`. Uses the cached value if it is fresh. Otherwise calls `fetch`, which
    /// returns the value and its lifetime, counted from the start of the fetch; zero means: do not cache.
    /// Concurrent lookups of a key wait for the same fetch, which completes even if all are cancelled.
    /// Returns `None` if the fetch panicked.
    pub(crate) async fn get<F>(&self, key: K, fetch: impl FnOnce() -> F) -> Option<V>
    where
        F: Future<Output = (V, Duration)> + Send + 'static,
    {
        if let Some(value) = self.0.fresh(&key) {
            self.0.count("hit");
            return Some(value);
        }
        let flight = {
            let mut in_flight = self.0.in_flight.lock();
            // Look up again under the lock, because a fetch may have ended in the meantime.
            if let Some(value) = self.0.fresh(&key) {
                self.0.count("hit");
                return Some(value);
            }
            let running = in_flight.get(&key).filter(|flight| flight.is_running());
            self.0.count(if running.is_some() { "hit" } else { "miss" });
            if let Some(flight) = running {
                flight.clone()
            } else {
                let fetch = Arc::clone(&self.0).fetch_and_store(key.clone(), fetch());
                // For the log and for traces, the fetch belongs to the request that started it.
                let flight = Flight::start(fetch.in_current_span());
                in_flight.insert(key, flight.clone());
                flight
            }
        };
        flight.outcome().await
    }
}

impl<K, V> Inner<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn fresh(&self, key: &K) -> Option<V> {
        let entry = self.entries.get(key)?;
        (self.clock.now() < entry.fresh_until).then_some(entry.value)
    }

    async fn fetch_and_store(self: Arc<Self>, key: K, fetch: impl Future<Output = (V, Duration)>) -> V {
        let started = self.clock.now();
        let (value, lifetime) = fetch.await;
        let mut in_flight = self.in_flight.lock();
        in_flight.remove(&key);
        if lifetime > Duration::ZERO {
            let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::ZERO);
            let entry = Entry {
                value: value.clone(),
                fresh_until: started + lifetime,
            };
            self.entries.insert(key, entry);
        }
        value
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!("clerk_mcp_cache_lookups_total", "cache" => self.name, "outcome" => outcome)
            .increment(1);
    }
}

impl<K, V> fmt::Debug for SharedCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCache")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}

/// Longer than the longest lifetime in use.
const FORGET_AFTER: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::clock::ManualClock;

    fn cache() -> (SharedCache<u8, usize>, ManualClock) {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        (SharedCache::new("test", 10, Arc::new(clock.clone())), clock)
    }

    #[tokio::test]
    async fn concurrent_lookups_of_one_key_share_one_fetch() {
        let (cache, _) = cache();
        let fetches = Arc::new(AtomicUsize::new(0));
        let lookups = (0..200).map(|_| {
            let fetches = Arc::clone(&fetches);
            cache.get(1, || async move {
                tokio::task::yield_now().await;
                (fetches.fetch_add(1, Ordering::SeqCst), Duration::from_secs(1))
            })
        });
        let answers = futures_util::future::join_all(lookups).await;
        assert_eq!((fetches.load(Ordering::SeqCst), answers), (1, vec![Some(0); 200]));
    }

    #[tokio::test]
    async fn a_fetch_completes_when_its_caller_is_cancelled() {
        let (cache, _) = cache();
        let gate = Arc::new(Semaphore::new(0));
        let opened = Arc::clone(&gate);
        let abandoned = cache.get(1, || async move {
            drop(opened.acquire().await);
            (7, Duration::from_secs(1))
        });
        assert_eq!(abandoned.now_or_never(), None, "the fetch did not wait");
        let unused = || async { panic!("a second fetch started") };
        let joined = cache.get(1, unused);
        gate.add_permits(1);
        assert_eq!(joined.await, Some(7));
        assert_eq!(cache.get(1, unused).await, Some(7), "the value was not cached");
    }

    #[tokio::test]
    async fn a_panic_is_reported_and_the_next_lookup_fetches_again() {
        let (cache, _) = cache();
        assert_eq!(
            cache.get(1, || async { panic!("expected by this test") }).await,
            None
        );
        let answer = cache.get(1, || async { (1, Duration::from_secs(1)) }).await;
        assert_eq!(answer, Some(1));
    }

    #[tokio::test]
    async fn an_entry_is_fetched_again_when_its_lifetime_ends() {
        let (cache, clock) = cache();
        let answer = |value| move || async move { (value, Duration::from_secs(5)) };
        assert_eq!(cache.get(1, answer(1)).await, Some(1));
        clock.advance(Duration::from_millis(4_999));
        assert_eq!(cache.get(1, answer(2)).await, Some(1));
        assert_eq!(cache.get(2, answer(2)).await, Some(2));
        clock.advance(Duration::from_millis(1));
        assert_eq!(cache.get(1, answer(3)).await, Some(3));
    }

    #[tokio::test]
    async fn a_value_without_a_lifetime_is_not_cached() {
        let (cache, _) = cache();
        for value in [1, 2] {
            assert_eq!(
                cache.get(1, || async move { (value, Duration::ZERO) }).await,
                Some(value)
            );
        }
    }

    #[tokio::test]
    async fn a_lifetime_starts_with_the_fetch() {
        let (cache, clock) = cache();
        let during_fetch = clock.clone();
        let slow = || async move {
            during_fetch.advance(Duration::from_secs(4));
            (1, Duration::from_secs(5))
        };
        assert_eq!(cache.get(1, slow).await, Some(1));
        clock.advance(Duration::from_secs(1));
        let next = || async { (2, Duration::ZERO) };
        assert_eq!(cache.get(1, next).await, Some(2));
    }
}
