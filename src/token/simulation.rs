//! Simulates the key cache with a Clerk that rotates its keys, is slow, fails and sends nonsense, and with
//! callers that ask for current, withdrawn and made-up keys, and may give up.

use std::{
    collections::VecDeque,
    sync::{Arc, LazyLock},
    time::Duration,
};

use fastrand::Rng;
use futures_util::{FutureExt, future::BoxFuture};
use local_clerk::mint::SigningKey;
use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    task::yield_now,
    time::{Instant, sleep, timeout},
};

use super::{FetchError, JwksCache, JwksFetcher, KeySource};
use crate::{
    outbound::OutboundError,
    simulation::{SimulatedClock, each_seed, up_to},
};

/// Generated once, because a key takes long to generate.
static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    (0..4)
        .map(|number| SigningKey::generate(format!("key-{number}")))
        .collect()
});

/// The longest time that a fetch takes, as the client's time limit ensures.
const LONGEST_FETCH: Duration = Duration::from_secs(5);
const STALE_FOR: Duration = Duration::from_hours(1);
const REFRESH_AFTER: Duration = Duration::from_mins(5);

/// The simulated Clerk, and what the cache did.
#[derive(Debug)]
struct Clerk {
    rng: Rng,
    is_healthy: bool,
    published: Vec<&'static SigningKey>,
    is_fetching: bool,
    /// When fetches began, in the last ten seconds.
    fetches: VecDeque<Instant>,
    /// The key ids of the last set that the cache received, and when.
    received: Option<(Vec<&'static str>, Instant)>,
    last_failed: bool,
    ended_at: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Fetcher(Arc<Mutex<Clerk>>);

impl JwksFetcher for Fetcher {
    fn fetch(&self) -> BoxFuture<'static, Result<Vec<u8>, FetchError>> {
        let clerk = Arc::clone(&self.0);
        async move {
            let (latency, failure, body) = {
                let mut clerk = clerk.lock();
                clerk.begin_fetch();
                clerk.answer()
            };
            sleep(latency).await;
            let mut clerk = clerk.lock();
            clerk.is_fetching = false;
            clerk.ended_at = Some(Instant::now());
            clerk.last_failed = failure.is_some() || body.is_none();
            if let Some(failure) = failure {
                return Err(failure);
            }
            let Some((ids, body)) = body else {
                return Ok(b"{\"keys\":[{}]}".to_vec());
            };
            clerk.received = Some((ids, Instant::now()));
            Ok(body)
        }
        .boxed()
    }
}

type Answer = (Duration, Option<FetchError>, Option<(Vec<&'static str>, Vec<u8>)>);

impl Clerk {
    fn begin_fetch(&mut self) {
        assert!(!self.is_fetching, "two fetches at once");
        self.is_fetching = true;
        let may_retry = |ended: Instant| ended.elapsed() >= Duration::from_secs(1);
        assert!(
            self.holds_keys() || self.ended_at.is_none_or(may_retry),
            "no pause between fetches without keys"
        );
        let now = Instant::now();
        self.fetches
            .retain(|begun| now - *begun < Duration::from_secs(10));
        self.fetches.push_back(now);
        // A burst of two for unknown keys, and one to refresh. Without keys, one each second.
        let had_keys = self
            .received
            .as_ref()
            .is_some_and(|(_, at)| at.elapsed() > Duration::from_secs(10));
        let most = if self.holds_keys() && had_keys { 3 } else { 11 };
        assert!(
            self.fetches.len() <= most,
            "{} fetches in 10 s",
            self.fetches.len()
        );
    }

    /// Chooses how long a fetch takes and what it returns.
    fn answer(&mut self) -> Answer {
        let latency = up_to(Duration::from_millis(300), &mut self.rng);
        let failures = [
            FetchError::Status(503),
            FetchError::NotAKeySet,
            FetchError::Outbound(OutboundError::Broken),
        ];
        let choice = if self.is_healthy { 3 } else { self.rng.usize(0..5) };
        match choice {
            0 => (LONGEST_FETCH, self.rng.choice(failures), None),
            1 => (latency, self.rng.choice(failures), None),
            2 => (latency, None, None),
            _ => {
                let keys: Vec<_> = self.published.iter().map(|key| key.jwk()).collect();
                let ids = self.published.iter().map(|key| key.kid()).collect();
                (
                    latency,
                    None,
                    Some((ids, json!({ "keys": keys }).to_string().into())),
                )
            }
        }
    }

    /// Returns whether the cache has a set that it may use.
    fn holds_keys(&self) -> bool {
        self.received
            .as_ref()
            .is_some_and(|(_, at)| at.elapsed() < STALE_FOR)
    }

    /// Returns whether the cache must refresh its set now.
    fn is_refresh_due(&self) -> bool {
        let is_old = self
            .received
            .as_ref()
            .is_some_and(|(_, at)| at.elapsed() >= REFRESH_AFTER);
        let may_retry = self
            .ended_at
            .is_none_or(|at| at.elapsed() >= Duration::from_secs(10));
        self.holds_keys() && is_old && may_retry
    }

    fn holds(&self, kid: &str) -> bool {
        self.holds_keys() && self.received.as_ref().is_some_and(|(ids, _)| ids.contains(&kid))
    }
}

async fn simulate(mut rng: Rng) {
    let [first, ..] = KEYS.as_slice() else {
        unreachable!()
    };
    let clerk = Arc::new(Mutex::new(Clerk {
        rng: rng.fork(),
        is_healthy: rng.bool(),
        published: vec![first],
        is_fetching: false,
        fetches: VecDeque::new(),
        received: None,
        last_failed: false,
        ended_at: None,
    }));
    let cache = JwksCache::new(Fetcher(Arc::clone(&clerk)), Arc::new(SimulatedClock::start()));
    for _ in 0..60 {
        match rng.u8(0..20) {
            0 => clerk.lock().is_healthy = rng.bool(),
            1 => {
                let count = rng.usize(1..=2);
                clerk.lock().published = rng.choose_multiple(KEYS.iter(), count);
            }
            2 => sleep(up_to(Duration::from_mins(40), &mut rng)).await,
            3..7 => sleep(up_to(Duration::from_secs(20), &mut rng)).await,
            _ => sleep(up_to(Duration::from_millis(500), &mut rng)).await,
        }
        let made_up = format!("made-up-{}", rng.u8(..));
        let kid = rng
            .choice(KEYS.iter())
            .filter(|_| rng.u8(0..4) > 0)
            .map_or(&*made_up, SigningKey::kid);
        let held = clerk.lock().holds(kid);
        let is_refresh_due = clerk.lock().is_refresh_due();
        let lookup = cache.keys(kid);
        if held {
            let keys = lookup.now_or_never().expect("a known key needs no fetch");
            assert_eq!(keys.map(|keys| keys.len()), Ok(1), "{kid}");
            yield_now().await;
            let clerk = clerk.lock();
            // A fetch without latency has ended already.
            let is_refreshed = clerk.is_fetching || clerk.ended_at == Some(Instant::now());
            assert!(is_refreshed || !is_refresh_due, "no refresh of an old set");
            continue;
        }
        let patience = if rng.bool() {
            LONGEST_FETCH * 2
        } else {
            Duration::from_millis(50)
        };
        // On timeout the caller has given up.
        let Ok(outcome) = timeout(patience, lookup).await else {
            assert!(patience < LONGEST_FETCH, "a lookup took longer than a fetch");
            continue;
        };
        let clerk = clerk.lock();
        match outcome {
            Ok(keys) => {
                assert_eq!(!keys.is_empty(), clerk.holds(kid), "{kid}");
                assert!(
                    !keys.is_empty() || !clerk.last_failed,
                    "an outage counts as an unknown key"
                );
            }
            Err(error) => assert!(clerk.last_failed, "no fetch failed: {error}"),
        }
    }

    // Clerk recovers: within two attempts, ten seconds apart, the published keys work and withdrawn ones do
    // not.
    clerk.lock().is_healthy = true;
    for _ in 0..2 {
        sleep(Duration::from_secs(11)).await;
        let _ = cache.keys("made-up").await;
    }
    let published: Vec<_> = clerk.lock().published.iter().map(|key| key.kid()).collect();
    for key in KEYS.iter() {
        let found = cache.keys(key.kid()).await.unwrap();
        assert_eq!(!found.is_empty(), published.contains(&key.kid()), "{}", key.kid());
    }
}

#[test]
fn key_cache_with_a_thousand_seeds() {
    each_seed(simulate);
}
