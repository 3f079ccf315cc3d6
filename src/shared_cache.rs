//! [`SharedCache`]: a bounded cache with single flight and a lifetime per entry.

use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;

use crate::clock::Clock;

/// A bounded cache in which concurrent lookups of the same key share one fetch. Each fetch, successful or
/// not, returns the lifetime of its value.
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
    /// Creates a cache of at most `capacity` entries. `name` is its label in metrics.
    pub(crate) fn new(name: &'static str, capacity: u64, clock: Arc<dyn Clock>) -> Self {
        // `clock` decides whether an entry is fresh. This only frees the memory of entries that are no longer
        // looked up.
        let entries = Cache::builder()
            .max_capacity(capacity)
            .time_to_live(FORGET_AFTER)
            .build();
        Self { name, entries, clock }
    }

    /// Returns the value of `key`: the cached one if it is fresh, else the one that `fetch` returns together
    /// with its lifetime, counted from the start of the fetch: the value may have been read then. Concurrent
    /// lookups of the same key wait for that value. If the lookup that fetches is cancelled, another one
    /// fetches.
    pub(crate) async fn get(&self, key: K, fetch: impl Future<Output = (V, Duration)>) -> V {
        let fetched = async {
            let started = self.clock.now();
            let (value, lifetime) = fetch.await;
            let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::ZERO);
            Entry {
                value,
                fresh_until: started + lifetime,
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

/// Longer than the longest lifetime in use.
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
    async fn concurrent_lookups_of_one_key_share_one_fetch() {
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
    async fn an_entry_is_fetched_again_when_its_lifetime_ends() {
        let (cache, clock) = cache();
        let answer = |value| async move { (value, Duration::from_secs(5)) };
        assert_eq!(cache.get(1, answer(1)).await, 1);
        clock.advance(Duration::from_millis(4_999));
        assert_eq!(cache.get(1, answer(2)).await, 1);
        assert_eq!(cache.get(2, answer(2)).await, 2);
        clock.advance(Duration::from_millis(1));
        assert_eq!(cache.get(1, answer(3)).await, 3);
    }

    #[tokio::test]
    async fn a_lifetime_starts_with_the_fetch() {
        let (cache, clock) = cache();
        let slow = async {
            clock.advance(Duration::from_secs(4));
            (1, Duration::from_secs(5))
        };
        assert_eq!(cache.get(1, slow).await, 1);
        clock.advance(Duration::from_secs(1));
        assert_eq!(cache.get(1, async { (2, Duration::ZERO) }).await, 2);
    }
}
