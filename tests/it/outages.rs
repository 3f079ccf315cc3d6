//! Clerk's bad days: each way to fail, cold and warm, and that it's over when Clerk is back.

use std::time::Duration;

use jiff::ToSpan;
use local_clerk::{Endpoint, Fault};
use serde_json::json;

use crate::support::{
    TestServer,
    server::{foreign_key, signing_key},
    start_time,
};

/// Everything that an endpoint can do instead of answering.
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
async fn without_keys_every_fault_is_503_and_over_when_clerk_is_back() {
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
async fn with_keys_no_fault_is_noticed_for_an_hour() {
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
            // One that was not seen before, too.
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
            "{fault:?}: too old to be trusted"
        );
    }
}

#[tokio::test]
async fn nobody_waits_for_keys_that_are_slow_while_there_are_some() {
    let server = TestServer::spawn().await;
    assert_eq!(server.status_of(server.oauth_token("ada")).await, 200);
    let slow = server.clerk.inject(Fault::Hold.at(Endpoint::Jwks));
    server.clock.advance(Duration::from_mins(6));
    // Were anybody to wait, this would, for the answer is held back until it's done.
    for user in ["ada", "grace", "alan"] {
        assert_eq!(server.status_of(server.oauth_token(user)).await, 200);
    }
    server.clerk.clear_fault(slow);
}

#[tokio::test]
async fn rotation_with_overlap_and_the_end_of_the_old_key() {
    let server = TestServer::spawn().await;
    // Good for a day, so that only the key decides.
    let old = server.oauth_token("ada").mint();
    assert_eq!(server.with_token(&old).await.status, 200);
    server.clerk.rotate_key_with_overlap(foreign_key());
    let new = server.oauth_token("ada").mint();
    assert_eq!(server.with_token(&new).await.status, 200);
    assert_eq!(server.with_token(&old).await.status, 200, "both are published");
    server.clerk.drop_key(signing_key().kid());
    assert_eq!(
        server.with_token(&old).await.status,
        200,
        "until the next refresh"
    );
    server.clock.advance(Duration::from_mins(5));
    // The refresh runs beside the request that sets it off; an unknown key's look joins it.
    server.with_token(&old).await;
    server
        .status_of(server.oauth_token("ada").header("kid", "ins_unknown"))
        .await;
    assert_eq!(
        server.with_token(&old).await.status,
        401,
        "a kept verification doesn't outlive its key"
    );
    assert_eq!(server.with_token(&new).await.status, 200);
}

#[tokio::test]
async fn a_kid_that_is_there_twice_is_the_first_one() {
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
    assert_eq!(server.status_of(token.signed_by(&foreign_key())).await, 401);
}

#[tokio::test]
async fn a_backend_api_that_fails_costs_tools_their_answer_and_nothing_else() {
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
