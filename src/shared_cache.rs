//! [`SharedCache`]: a cache that fetches each value once, even if many tasks request it at the same time.

use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;

use crate::clock::Clock;

/// A bounded cache in which identical lookups in flight share one fetch. Each value, also an error, has its own lifetime.
pub(crate) struct SharedCache<K, V> {
    name: &'static str,
    entries: Cache<K, Entry<V>>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Entry<V> {
    value: V,
    fresh_until: Timestamp,
}

impl<K, V> SharedCache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Creates a cache of at most `capacity` values. `name` is its label in metrics.
    pub(crate) fn new(name: &'static str, capacity: u64, clock: Arc<dyn Clock>) -> Self {
        // The injected clock decides whether a value is fresh. This only frees the memory of unused values.
        let entries = Cache::builder()
            .max_capacity(capacity)
            .time_to_live(FORGET_AFTER)
            .build();
        Self { name, entries, clock }
    }

    /// Returns the cached value of `key` if it is fresh, else the value of `fetch`, which also returns the lifetime of the
    /// value. Concurrent calls for the same key wait for the same fetch. If the call that fetches is cancelled, a waiting
    /// one starts its own fetch.
    pub(crate) async fn get(&self, key: K, fetch: impl Future<Output = (V, Duration)>) -> V {
        let fetched = async {
            let (value, lifetime) = fetch.await;
            let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::ZERO);
            Entry {
                value,
                fresh_until: self.clock.now() + lifetime,
            }
        };
        let stale = |entry: &Entry<V>| self.clock.now() >= entry.fresh_until;
        let entry = self.entries.entry(key).or_insert_with_if(fetched, stale).await;
        let outcome = if entry.is_fresh() { "miss" } else { "hit" };
        metrics::counter!("clerk_mcp_cache_lookups_total", "cache" => self.name, "outcome" => outcome)
            .increment(1);
        entry.into_value().value
    }
}

impl<K, V> fmt::Debug for SharedCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCache")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Longer than the lifetime of any value.
const FORGET_AFTER: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::ManualClock;

    fn cache() -> (SharedCache<u8, usize>, ManualClock) {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        (SharedCache::new("test", 10, Arc::new(clock.clone())), clock)
    }

    #[tokio::test]
    async fn identical_lookups_in_flight_share_one_fetch() {
        let (cache, _) = cache();
        let fetches = AtomicUsize::new(0);
        let lookups = (0..200).map(|_| {
            cache.get(1, async {
                tokio::task::yield_now().await;
                (fetches.fetch_add(1, Ordering::SeqCst), Duration::from_secs(1))
            })
        });
        let answers = futures_util::future::join_all(lookups).await;
        assert_eq!((fetches.load(Ordering::SeqCst), answers), (1, vec![0; 200]));
    }

    #[tokio::test]
    async fn a_value_is_kept_for_its_lifetime() {
        let (cache, clock) = cache();
        let answer = |value| async move { (value, Duration::from_secs(5)) };
        assert_eq!(cache.get(1, answer(1)).await, 1);
        clock.advance(Duration::from_millis(4_999));
        assert_eq!(cache.get(1, answer(2)).await, 1);
        assert_eq!(cache.get(2, answer(2)).await, 2);
        clock.advance(Duration::from_millis(1));
        assert_eq!(cache.get(1, answer(3)).await, 3);
    }
}
