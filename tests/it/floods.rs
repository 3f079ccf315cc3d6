//! Floods of made-up opaque tokens: they must neither use up Clerk's rate limit, nor lock out users, nor fill
//! the log.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::method};

use crate::support::{TestServer, log, server::RESOURCE, start_time};

const GOOD: &str = "oat_of_a_user_who_uses_the_server";

/// The most lookups of unknown tokens in [`WINDOW`].
const LIMIT: usize = 30;
const WINDOW: Duration = Duration::from_secs(10);

/// Longer than a client of [`abandon`] waits.
const CLERK_DELAY: Duration = Duration::from_millis(100);

/// Starts a Clerk that knows only [`GOOD`], and a server.
async fn start() -> (MockServer, TestServer) {
    let clerk = MockServer::start().await;
    let answer = |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        if body["access_token"] != GOOD {
            return ResponseTemplate::new(404).set_delay(CLERK_DELAY);
        }
        ResponseTemplate::new(200).set_body_json(json!({
            "object": "clerk_idp_oauth_access_token", "id": GOOD, "client_id": "client_1", "subject": "user_2good",
            "scopes": ["profile"], "revoked": false, "expired": false,
            "expiration": start_time().as_second() + 3_600, "created_at": 0, "aud": [RESOURCE],
        }))
    };
    Mock::given(method("POST"))
        .respond_with(answer)
        .mount(&clerk)
        .await;
    let server = TestServer::builder()
        .set("CLERK_API_URL", clerk.uri())
        .spawn()
        .await;
    (clerk, server)
}

async fn calls(clerk: &MockServer) -> usize {
    clerk.received_requests().await.unwrap().len()
}

/// Returns a token that Clerk does not know.
fn made_up() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("oat_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Sends requests with made-up tokens and closes the connections before Clerk answers.
async fn abandon(server: &TestServer, requests: usize) {
    let request = || async {
        let token = made_up();
        let answer = server.with_token(&token);
        drop(tokio::time::timeout(CLERK_DELAY / 5, answer).await);
    };
    join_all((0..requests).map(|_| request())).await;
}

#[tokio::test]
async fn abandoned_lookups_count() {
    let (clerk, server) = start().await;
    // How many abandoned requests reach the server depends on the machine's load.
    for _ in 0..LIMIT {
        abandon(&server, 20).await;
        if server.with_token(&made_up()).await.status == 503 {
            break;
        }
    }
    let last = server.with_token(&made_up()).await;
    assert_eq!(last.status, 503, "the limit was not reached");
    assert!(calls(&clerk).await <= LIMIT, "{} calls", calls(&clerk).await);
}

#[tokio::test]
async fn abandoned_lookup_is_cached() {
    let (clerk, server) = start().await;
    let token = made_up();
    drop(tokio::time::timeout(CLERK_DELAY / 5, server.with_token(&token)).await);
    assert_eq!(server.with_token(&token).await.status, 401);
    assert_eq!(
        calls(&clerk).await,
        1,
        "the second request did not join the first lookup"
    );
}

#[tokio::test]
async fn rate_limit_seen_by_an_abandoned_lookup_is_respected() {
    let clerk = MockServer::start().await;
    let limited = ResponseTemplate::new(429)
        .insert_header("Retry-After", "30")
        .set_delay(CLERK_DELAY);
    Mock::given(method("POST"))
        .respond_with(limited)
        .mount(&clerk)
        .await;
    let server = TestServer::builder()
        .set("CLERK_API_URL", clerk.uri())
        .spawn()
        .await;
    let token = made_up();
    drop(tokio::time::timeout(CLERK_DELAY / 5, server.with_token(&token)).await);
    // Joins the abandoned lookup, so it has ended afterwards.
    assert_eq!(server.with_token(&token).await.status, 503);
    server.clock.advance(Duration::from_secs(29));
    assert_eq!(
        server.with_token(&made_up()).await.header("retry-after"),
        Some("5")
    );
    assert_eq!(calls(&clerk).await, 1);
}

#[tokio::test]
async fn exhausted_limit_does_not_lock_out_accepted_tokens() {
    let (_clerk, server) = start().await;
    assert_eq!(server.with_token(GOOD).await.status, 200);
    server.clock.advance(Duration::from_mins(1));
    let tokens: Vec<_> = (0..2 * LIMIT).map(|_| made_up()).collect();
    join_all(tokens.iter().map(|token| server.with_token(token))).await;
    let refused = server.with_token(&made_up()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("retry-after")),
        (503, Some("10"))
    );
    assert_eq!(server.with_token(GOOD).await.status, 200);
}

#[tokio::test]
async fn five_minutes_of_floods_stay_within_the_limit() {
    let log = log::CapturedLog::start();
    let (clerk, server) = start().await;
    assert_eq!(server.with_token(GOOD).await.status, 200);
    let step = Duration::from_secs(2);
    let steps = 150;
    for _ in 0..steps {
        // Enough to reach the limit without the abandoned requests.
        let tokens: Vec<_> = (0..8).map(|_| made_up()).collect();
        let patient = join_all(tokens.iter().map(|token| server.with_token(token)));
        let ((), _, good) = tokio::join!(abandon(&server, 20), patient, server.with_token(GOOD));
        assert_eq!(good.status, 200, "a valid user was refused");
        server.clock.advance(step);
    }
    let windows = usize::try_from((step * steps).as_secs() / WINDOW.as_secs()).unwrap();
    let for_the_user = usize::try_from((step * steps).as_secs() / 60).unwrap() + 1;
    let calls = calls(&clerk).await;
    assert!(calls <= windows * LIMIT + for_the_user, "{calls} calls to Clerk");
    let log = log.text();
    assert!(
        log.contains(r#""reason":"token-lookup-limit""#),
        "the limit was not reached"
    );
    assert!(
        !log.contains(r#""level":"ERROR""#),
        "a stranger caused an ERROR line"
    );
}
