//! Tests of Clerk outages: every kind of failure, with and without cached keys, and recovery afterwards.

use std::time::Duration;

use jiff::ToSpan;
use local_clerk::{Endpoint, Fault};
use serde_json::json;

use crate::support::{
    TestServer,
    server::{foreign_key, signing_key},
    start_time,
};

/// Returns every way in which an endpoint of the local Clerk can fail.
fn faults() -> Vec<Fault> {
    vec![
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(500),
        Fault::Status(503),
        Fault::RateLimited {
            retry_after: Duration::from_secs(3),
        },
        Fault::Down,
        Fault::Malformed,
        Fault::Truncated,
        Fault::Huge { bytes: 10 << 20 },
        Fault::Redirect {
            location: "http://127.0.0.1:9/".to_owned(),
        },
        Fault::Reset,
    ]
}

#[tokio::test]
async fn jwks_failure_without_cached_keys_is_503_until_clerk_recovers() {
    for fault in faults() {
        let server = TestServer::spawn().await;
        let token = server.oauth_token("ada").mint();
        let id = server.clerk.inject(fault.clone().at(Endpoint::Jwks));
        let answer = server.with_token(&token).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("retry-after")),
            (503, Some("5")),
            "{fault:?}"
        );
        assert_eq!(server.get("/readyz").await.status, 503, "{fault:?}");
        server.clerk.clear_fault(id);
        server.clock.advance(Duration::from_secs(1));
        assert_eq!(server.with_token(&token).await.status, 200, "{fault:?}");
        assert_eq!(server.get("/readyz").await.status, 200, "{fault:?}");
    }
}

#[tokio::test]
async fn cached_keys_bridge_a_jwks_failure_for_one_hour() {
    for fault in faults() {
        let server = TestServer::spawn().await;
        let token = server.oauth_token("ada").mint();
        assert_eq!(server.with_token(&token).await.status, 200);
        server.clerk.inject(fault.clone().at(Endpoint::Jwks));
        for minutes in [6, 30, 59] {
            server.clock.set(start_time() + minutes.minutes());
            assert_eq!(
                server.with_token(&token).await.status,
                200,
                "{fault:?} after {minutes} minutes"
            );
            // Verifies a new token, which is not in the cache of verified tokens.
            assert_eq!(
                server.status_of(server.oauth_token("grace")).await,
                200,
                "{fault:?}"
            );
        }
        server.clock.set(start_time() + 60.minutes());
        assert_eq!(
            server.with_token(&token).await.status,
            503,
            "{fault:?}: keys older than an hour are still used"
        );
    }
}

#[tokio::test]
async fn slow_key_refresh_does_not_delay_requests_while_keys_are_cached() {
    let server = TestServer::spawn().await;
    assert_eq!(server.status_of(server.oauth_token("ada")).await, 200);
    let slow = server.clerk.inject(Fault::Hold.at(Endpoint::Jwks));
    server.clock.advance(Duration::from_mins(6));
    // The JWKS response is held until the fault is cleared below, so a request that waits for it would hang.
    for user in ["ada", "grace", "alan"] {
        assert_eq!(server.status_of(server.oauth_token(user)).await, 200);
    }
    server.clerk.clear_fault(slow);
}

#[tokio::test]
async fn key_rotation_accepts_the_old_key_until_it_is_withdrawn() {
    let server = TestServer::spawn().await;
    // The token is valid for a day, so that only the key decides the outcome.
    let old = server.oauth_token("ada").mint();
    assert_eq!(server.with_token(&old).await.status, 200);
    server.clerk.rotate_key_with_overlap(foreign_key());
    let new = server.oauth_token("ada").mint();
    assert_eq!(server.with_token(&new).await.status, 200);
    assert_eq!(
        server.with_token(&old).await.status,
        200,
        "the old key is still published"
    );
    server.clerk.drop_key(signing_key().kid());
    assert_eq!(
        server.with_token(&old).await.status,
        200,
        "the old key stays cached until the next refresh"
    );
    server.clock.advance(Duration::from_mins(5));
    // The first request only starts the refresh; a request with an unknown `kid` waits for it.
    server.with_token(&old).await;
    server
        .status_of(server.oauth_token("ada").header("kid", "ins_unknown"))
        .await;
    assert_eq!(
        server.with_token(&old).await.status,
        401,
        "a cached verification outlives its key"
    );
    assert_eq!(server.with_token(&new).await.status, 200);
}

#[tokio::test]
async fn every_key_with_a_duplicate_kid_is_tried() {
    let clerk = wiremock::MockServer::start().await;
    let keys = json!({ "keys": [signing_key().jwk(), foreign_key().with_kid(signing_key().kid()).jwk()] });
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(wiremock::ResponseTemplate::new(200).set_body_json(keys))
        .mount(&clerk)
        .await;
    let server = TestServer::builder()
        .set("CLERK_FRONTEND_API_URL", clerk.uri())
        .spawn()
        .await;
    let token = server.oauth_token("ada").claim("iss", clerk.uri());
    assert_eq!(server.status_of(token.clone()).await, 200);
    assert_eq!(server.status_of(token.signed_by(&foreign_key())).await, 200);
}

#[tokio::test]
async fn backend_api_failure_affects_only_tools_that_call_it() {
    for fault in faults() {
        let server = TestServer::spawn().await;
        let token = server.oauth_token("ada").mint();
        server.clerk.inject(
            fault
                .clone()
                .at(Endpoint::BackendUser)
                .and(Endpoint::BackendUserMemberships),
        );
        for tool in ["whoami", "get-my-organizations"] {
            let answer = server.call(&token, tool, json!({})).await;
            assert_eq!(answer["result"]["isError"], true, "{fault:?}: {answer}");
        }
        let answer = server.call(&token, "greet", json!({ "name": "Ada" })).await;
        assert_eq!(answer["result"]["isError"], false, "{fault:?}: {answer}");
        server.clerk.clear_faults();
        server.clock.advance(Duration::from_secs(1));
        let answer = server.call(&token, "whoami", json!({})).await;
        assert_eq!(answer["result"]["isError"], false, "{fault:?}: {answer}");
    }
}
