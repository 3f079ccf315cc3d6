//! The key cache, against a Clerk whose keys change or that is away.

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

/// Answers what it's told to, counts, and can be held up.
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

#[expect(clippy::unnecessary_wraps, reason = "an answer of the fetcher, like AWAY")]
fn set(keys: &[&SigningKey]) -> Result<Vec<u8>, FetchError> {
    Ok(
        json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
            .to_string()
            .into_bytes(),
    )
}

const AWAY: Result<Vec<u8>, FetchError> = Err(FetchError::Outbound(OutboundError::Connect));

fn cache(fetcher: &Fetcher) -> (JwksCache, ManualClock) {
    let clock = ManualClock::at(start_time());
    (JwksCache::new(fetcher.clone(), Arc::new(clock.clone())), clock)
}

#[tokio::test]
async fn a_thousand_first_requests_are_one_fetch() {
    let fetcher = Fetcher::answering(set(&[&signing_key()]));
    let (cache, _) = cache(&fetcher);
    let kid = signing_key().kid().to_owned();
    let keys = join_all((0..1_000).map(|_| cache.key(&kid))).await;
    assert!(keys.iter().all(|key| matches!(key, Ok(Some(_)))));
    assert_eq!(fetcher.count(), 1);
}

#[tokio::test]
async fn ten_thousand_unknown_kids_are_three_fetches() {
    let fetcher = Fetcher::answering(set(&[&signing_key()]));
    let (cache, clock) = cache(&fetcher);
    cache.refresh().await.unwrap();
    for number in 0..10_000 {
        assert!(matches!(cache.key(&format!("unknown-{number}")).await, Ok(None)));
    }
    assert_eq!(fetcher.count(), 3);
    // Then one in ten seconds, not another burst.
    for fetches in 4..8 {
        clock.advance(std::time::Duration::from_secs(10));
        for _ in 0..100 {
            assert!(matches!(cache.key("unknown").await, Ok(None)));
        }
        assert_eq!(fetcher.count(), fetches);
    }
    // A quiet while gives back no more than the burst.
    clock.advance(std::time::Duration::from_mins(4));
    for _ in 0..100 {
        assert!(matches!(cache.key("unknown").await, Ok(None)));
    }
    assert_eq!(fetcher.count(), 9);
}

#[tokio::test]
async fn down_at_start_then_up() {
    let fetcher = Fetcher::answering(AWAY);
    let (cache, clock) = cache(&fetcher);
    let kid = signing_key().kid().to_owned();
    assert!(cache.key(&kid).await.is_err());
    assert!(!cache.holds_keys());
    let _ = fetcher.answer.send_replace(set(&[&signing_key()]));
    // The cool-down of a second stands between two tries.
    assert!(cache.key(&kid).await.is_err());
    assert_eq!(fetcher.count(), 1);
    clock.advance(std::time::Duration::from_secs(1));
    assert!(matches!(cache.key(&kid).await, Ok(Some(_))));
    assert!(cache.holds_keys());
}

#[tokio::test]
async fn down_after_warm_serves_the_old_keys_for_an_hour() {
    let fetcher = Fetcher::answering(set(&[&signing_key()]));
    let (cache, clock) = cache(&fetcher);
    let kid = signing_key().kid().to_owned();
    cache.refresh().await.unwrap();
    let _ = fetcher.answer.send_replace(AWAY);
    clock.set(start_time() + 59.minutes());
    assert!(matches!(cache.key(&kid).await, Ok(Some(_))));
    assert!(cache.refresh().await.is_err());
    assert!(
        matches!(cache.key(&kid).await, Ok(Some(_))),
        "a failed fetch leaves the old keys"
    );
    // Of an unknown kid nothing can be said while Clerk is away: that is no fault of the token.
    assert!(cache.key("unknown").await.is_err());
    clock.set(start_time() + 60.minutes());
    assert!(cache.key(&kid).await.is_err());
}

#[tokio::test]
async fn nobody_waits_for_the_refresh_of_a_warm_cache() {
    let fetcher = Fetcher::answering(set(&[&signing_key()]));
    let (cache, clock) = cache(&fetcher);
    let kid = signing_key().kid().to_owned();
    cache.refresh().await.unwrap();
    let held_up = fetcher
        .gate
        .acquire_many(u32::try_from(Semaphore::MAX_PERMITS.min(u32::MAX as usize)).unwrap())
        .await;
    clock.advance(std::time::Duration::from_mins(6));
    for _ in 0..100 {
        assert!(
            matches!(cache.key(&kid).now_or_never(), Some(Ok(Some(_)))),
            "answered at once"
        );
    }
    drop(held_up);
    cache.refresh().await.unwrap();
    assert_eq!(
        fetcher.count(),
        2,
        "one fetch in the background, which the refresh joined"
    );
}

#[tokio::test]
async fn a_rotated_key_is_found_and_a_withdrawn_one_is_gone() {
    let server = TestServer::spawn().await;
    let old = server.oauth_token("ada").mint();
    assert_eq!(server.with_token(&old).await.status, 200);
    server.clerk.rotate_key(foreign_key());
    let new = server.oauth_token("ada").mint();
    assert_eq!(
        server.with_token(&new).await.status,
        200,
        "found without a restart"
    );
    assert_eq!(
        server.with_token(&old).await.status,
        401,
        "gone with the set that lacks it"
    );
    assert_eq!(server.clerk.request_count(Endpoint::Jwks), 3);
}

#[tokio::test]
async fn one_bad_key_does_not_cost_the_others() {
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
        assert!(matches!(cache.key(good.kid()).await, Ok(Some(_))), "{bad}");
        assert!(matches!(cache.key("bad").await, Ok(None)), "{bad}");
        let fetcher = Fetcher::answering(Ok(json!({ "keys": [bad] }).to_string().into_bytes()));
        let (cache, _) = self::cache(&fetcher);
        assert_eq!(cache.refresh().await, Err(FetchError::NoUsableKey), "{bad}");
    }
}

#[tokio::test]
async fn what_is_no_key_set_counts_as_a_failed_fetch() {
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

/// A caller that goes away doesn't take the fetch with it.
#[tokio::test]
async fn a_fetch_outlives_its_caller() {
    let fetcher = Fetcher::answering(set(&[&signing_key()]));
    let (cache, clock) = cache(&fetcher);
    let held_up = fetcher
        .gate
        .acquire_many(u32::try_from(Semaphore::MAX_PERMITS.min(u32::MAX as usize)).unwrap())
        .await;
    assert!(
        cache.key("x").now_or_never().is_none(),
        "the first caller waits, and is dropped"
    );
    drop(held_up);
    assert!(matches!(cache.key(signing_key().kid()).await, Ok(Some(_))));
    assert_eq!((fetcher.count(), clock.now()), (1, start_time()));
}
