//! The key cache: rotation, outages, and limits on fetches.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use clerk_mcp::{
    clock::{Clock, ManualClock},
    outbound::OutboundError,
    token::{FetchError, JwksCache, JwksFetcher, KeySource},
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use jiff::ToSpan;
use local_clerk::{Endpoint, mint::SigningKey};
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use crate::support::{
    TestServer,
    server::{foreign_key, signing_key},
    start_time,
};

/// A fetcher that returns a set answer, counts its calls, and can be blocked.
#[derive(Debug, Clone)]
struct Fetcher {
    answer: watch::Sender<Result<Vec<u8>, FetchError>>,
    fetches: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Fetcher {
    fn answering(answer: Result<Vec<u8>, FetchError>) -> Self {
        Self {
            answer: watch::Sender::new(answer),
            fetches: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }

    fn count(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl JwksFetcher for Fetcher {
    fn fetch(&self) -> BoxFuture<'static, Result<Vec<u8>, FetchError>> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let (gate, answer) = (Arc::clone(&self.gate), self.answer.subscribe());
        async move {
            let _open = gate.acquire().await;
            answer.borrow().clone()
        }
        .boxed()
    }
}

/// A fetcher with a bug.
#[derive(Debug)]
struct Panicking;

impl JwksFetcher for Panicking {
    fn fetch(&self) -> BoxFuture<'static, Result<Vec<u8>, FetchError>> {
        async { panic!("expected by this test") }.boxed()
    }
}

/// Otherwise valid tokens get 401, and clients sign in again.
#[tokio::test]
async fn a_fetch_that_panics_is_an_outage_until_the_next_fetch() {
    let clock = ManualClock::at(start_time());
    let cache = JwksCache::new(Panicking, Arc::new(clock.clone()));
    let outage = Err(FetchError::Outbound(OutboundError::Broken));
    let kinds = |outcome: Result<Vec<_>, FetchError>| outcome.map(|keys| keys.len());
    assert_eq!(kinds(cache.keys("k").await), outage);
    // Within the second in which no other fetch is allowed.
    assert_eq!(kinds(cache.keys("k").await), outage);
    clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(kinds(cache.keys("k").await), outage);
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "has the type of the fetcher's answers, like UNREACHABLE"
)]
fn set(keys: &[&SigningKey]) -> Result<Vec<u8>, FetchError> {
    Ok(
        json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
            .to_string()
            .into_bytes(),
    )
}

const UNREACHABLE: Result<Vec<u8>, FetchError> = Err(FetchError::Outbound(OutboundError::Connect));

fn cache(fetcher: &Fetcher) -> (JwksCache, ManualClock) {
    let clock = ManualClock::at(start_time());
    (JwksCache::new(fetcher.clone(), Arc::new(clock.clone())), clock)
}

#[tokio::test]
async fn simultaneous_first_requests_share_one_fetch() {
    let fetcher = Fetcher::answering(set(&[&signing_key()]));
    let (cache, _) = cache(&fetcher);
    let kid = signing_key().kid().to_owned();
    let keys = join_all((0..1_000).map(|_| cache.keys(&kid))).await;
    assert!(keys.iter().all(|key| matches!(key, Ok(keys) if !keys.is_empty())));
    assert_eq!(fetcher.count(), 1);
}

#[tokio::test]
async fn unknown_kids_cause_a_limited_number_of_fetches() {
    let fetcher = Fetcher::answering(set(&[&signing_key()]));
    let (cache, clock) = cache(&fetcher);
    cache.refresh().await.unwrap();
    for number in 0..10_000 {
        assert!(matches!(cache.keys(&format!("unknown-{number}")).await, Ok(keys) if keys.is_empty()));
    }
    assert_eq!(fetcher.count(), 3);
    // After the burst, one fetch in ten seconds is allowed.
    for fetches in 4..8 {
        clock.advance(std::time::Duration::from_secs(10));
        for _ in 0..100 {
            assert!(matches!(cache.keys("unknown").await, Ok(keys) if keys.is_empty()));
        }
        assert_eq!(fetcher.count(), fetches);
    }
    // After a pause, only the burst is allowed again, not more.
    clock.advance(std::time::Duration::from_mins(4));
    for _ in 0..100 {
        assert!(matches!(cache.keys("unknown").await, Ok(keys) if keys.is_empty()));
    }
    assert_eq!(fetcher.count(), 9);
}

#[tokio::test]
async fn keys_are_fetched_again_after_a_failed_start() {
    let fetcher = Fetcher::answering(UNREACHABLE);
    let (cache, clock) = cache(&fetcher);
    let kid = signing_key().kid().to_owned();
    assert!(cache.keys(&kid).await.is_err());
    assert!(!cache.holds_keys());
    let _ = fetcher.answer.send_replace(set(&[&signing_key()]));
    // After a failed fetch, the next one is allowed after one second.
    assert!(cache.keys(&kid).await.is_err());
    assert_eq!(fetcher.count(), 1);
    clock.advance(std::time::Duration::from_secs(1));
    assert!(matches!(cache.keys(&kid).await, Ok(keys) if !keys.is_empty()));
    assert!(cache.holds_keys());
}

#[tokio::test]
async fn old_keys_are_used_for_an_hour_while_clerk_is_unreachable() {
    let fetcher = Fetcher::answering(set(&[&signing_key()]));
    let (cache, clock) = cache(&fetcher);
    let kid = signing_key().kid().to_owned();
    cache.refresh().await.unwrap();
    let _ = fetcher.answer.send_replace(UNREACHABLE);
    clock.set(start_time() + 59.minutes());
    assert!(matches!(cache.keys(&kid).await, Ok(keys) if !keys.is_empty()));
    assert!(cache.refresh().await.is_err());
    assert!(
        matches!(cache.keys(&kid).await, Ok(keys) if !keys.is_empty()),
        "a failed fetch must not remove the old keys"
    );
    // While Clerk is unreachable, an unknown kid is an outage: the token may still be valid.
    assert!(cache.keys("unknown").await.is_err());
    clock.set(start_time() + 60.minutes());
    assert!(cache.keys(&kid).await.is_err());
}

#[tokio::test]
async fn lookups_do_not_wait_for_a_background_refresh() {
    let fetcher = Fetcher::answering(set(&[&signing_key()]));
    let (cache, clock) = cache(&fetcher);
    let kid = signing_key().kid().to_owned();
    cache.refresh().await.unwrap();
    let blocked = fetcher
        .gate
        .acquire_many(u32::try_from(Semaphore::MAX_PERMITS.min(u32::MAX as usize)).unwrap())
        .await;
    clock.advance(std::time::Duration::from_mins(6));
    for _ in 0..100 {
        assert!(
            matches!(cache.keys(&kid).now_or_never(), Some(Ok(keys)) if !keys.is_empty()),
            "the lookup waited for the refresh"
        );
    }
    drop(blocked);
    cache.refresh().await.unwrap();
    assert_eq!(
        fetcher.count(),
        2,
        "the refresh must join the fetch in the background"
    );
}

#[tokio::test]
async fn new_key_is_found_and_removed_key_is_no_longer_accepted() {
    let server = TestServer::spawn().await;
    let old = server.oauth_token("ada").mint();
    assert_eq!(server.with_token(&old).await.status, 200);
    server.clerk.rotate_key(foreign_key());
    let new = server.oauth_token("ada").mint();
    assert_eq!(
        server.with_token(&new).await.status,
        200,
        "the new key must be found without a restart"
    );
    assert_eq!(
        server.with_token(&old).await.status,
        401,
        "the old key is not in the new set"
    );
    assert_eq!(server.clerk.request_count(Endpoint::Jwks), 3);
}

#[tokio::test]
async fn unusable_key_is_skipped_and_the_others_are_used() {
    let good = signing_key();
    let rsa = |n: &str, e: &str| json!({ "kty": "RSA", "kid": "bad", "use": "sig", "alg": "RS256", "n": n, "e": e });
    let jwk = good.jwk();
    let modulus = jwk["n"].as_str().unwrap();
    let mut private = jwk.clone();
    private["kid"] = json!("bad");
    private["d"] = json!("AQAB");
    let mut encryption = jwk.clone();
    encryption["kid"] = json!("bad");
    encryption["use"] = json!("enc");
    for bad in [
        json!(null),
        json!({}),
        json!({ "kty": "oct", "kid": "bad", "k": "AAAA" }),
        json!({ "kty": "EC", "kid": "bad", "crv": "P-256", "x": "AA", "y": "AA" }),
        rsa("AQAB", "AQAB"),
        rsa("!!", "AQAB"),
        rsa(modulus, ""),
        rsa(modulus, "AQ"),
        rsa(modulus, "AQAA"),
        rsa("", "AQAB"),
        json!({ "kty": "RSA", "n": modulus, "e": "AQAB" }),
        json!({ "kty": "RSA", "kid": "bad", "n": modulus, "e": "AQAB", "alg": "RS512" }),
        json!({ "kty": "RSA", "kid": "bad", "n": modulus, "e": "AQAB", "key_ops": ["sign"] }),
        private,
        encryption,
    ] {
        let fetcher = Fetcher::answering(Ok(json!({ "keys": [bad, good.jwk()] }).to_string().into_bytes()));
        let (cache, _) = cache(&fetcher);
        assert!(
            matches!(cache.keys(good.kid()).await, Ok(keys) if !keys.is_empty()),
            "{bad}"
        );
        assert!(
            matches!(cache.keys("bad").await, Ok(keys) if keys.is_empty()),
            "{bad}"
        );
        let fetcher = Fetcher::answering(Ok(json!({ "keys": [bad] }).to_string().into_bytes()));
        let (cache, _) = self::cache(&fetcher);
        assert_eq!(cache.refresh().await, Err(FetchError::NoUsableKey), "{bad}");
    }
}

#[tokio::test]
async fn invalid_or_empty_key_set_is_a_failed_fetch() {
    for (text, error) in [
        ("", FetchError::NotAKeySet),
        ("<html>", FetchError::NotAKeySet),
        ("[]", FetchError::NotAKeySet),
        ("{}", FetchError::NotAKeySet),
        ("{\"keys\":{}}", FetchError::NotAKeySet),
        ("{\"keys\":[]}", FetchError::NoUsableKey),
    ] {
        let (cache, _) = cache(&Fetcher::answering(Ok(text.as_bytes().to_vec())));
        assert_eq!(cache.refresh().await, Err(error), "{text}");
    }
}

/// Dropping the caller does not cancel the fetch.
#[tokio::test]
async fn fetch_continues_after_its_caller_is_dropped() {
    let fetcher = Fetcher::answering(set(&[&signing_key()]));
    let (cache, clock) = cache(&fetcher);
    let blocked = fetcher
        .gate
        .acquire_many(u32::try_from(Semaphore::MAX_PERMITS.min(u32::MAX as usize)).unwrap())
        .await;
    assert!(
        cache.keys("x").now_or_never().is_none(),
        "the first caller waits until it is dropped"
    );
    drop(blocked);
    assert!(matches!(cache.keys(signing_key().kid()).await, Ok(keys) if !keys.is_empty()));
    assert_eq!((fetcher.count(), clock.now()), (1, start_time()));
}
