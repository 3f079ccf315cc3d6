//! An invalid secret key, or one of another application: requests get 500 until a probe succeeds again.

use local_clerk::{Endpoint, Fault, LocalClerk, mint::SigningKey};
use serde_json::json;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::support::{Exchange, TestServer, server::foreign_key};

/// Starts a server with the Frontend API of its own Clerk, but the Backend API and secret key of `other`.
async fn with_key_of(other: &LocalClerk) -> TestServer {
    TestServer::builder()
        .set("CLERK_API_URL", other.backend_api_url())
        .set("CLERK_SECRET_KEY", other.secret_key())
        .spawn()
        .await
}

/// Returns the status of `/readyz`, and what it says about the secret key.
async fn readiness(server: &TestServer) -> (u16, String) {
    let answer = server.get("/readyz").await;
    (
        answer.status.as_u16(),
        answer.json()["secretKey"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn secret_key_of_another_application_gets_500_until_corrected() {
    let other = LocalClerk::builder()
        .signing_key(foreign_key())
        .start()
        .await
        .unwrap();
    let server = with_key_of(&other).await;
    let token = server.oauth_token("ada").mint();
    assert_eq!(
        server.with_token(&token).await.status,
        200,
        "the key counts as good before the first probe"
    );
    server.probe.run_once().await;
    insta::assert_snapshot!(server.with_token(&token).await.text(&[]), @r#"
    500 Internal Server Error
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "error": "server_error",
      "error_description": "Authentication service misconfigured"
    }
    "#);
    assert_eq!(
        readiness(&server).await,
        (503, "secret-key-of-another-application".to_owned())
    );
    // A request without a token still gets 401: the client can find out where to sign in.
    assert_eq!(Exchange::of(server.mcp()).await.status, 401);

    // The server notices the correction at Clerk without a restart.
    other.rotate_key(server.clerk.signing_key());
    server.probe.run_once().await;
    assert_eq!(server.with_token(&token).await.status, 200);
    assert_eq!(readiness(&server).await, (200, "good".to_owned()));
}

#[tokio::test]
async fn one_common_key_id_is_enough() {
    let keys = [foreign_key(), crate::support::server::signing_key()];
    let jwks = json!({ "keys": keys.iter().map(SigningKey::jwk).collect::<Vec<_>>() });
    let clerk = MockServer::start().await;
    Mock::given(path("/v1/jwks"))
        .respond_with(ResponseTemplate::new(200).set_body_json(jwks))
        .mount(&clerk)
        .await;
    let server = TestServer::builder()
        .set("CLERK_API_URL", clerk.uri())
        .spawn()
        .await;
    server.probe.run_once().await;
    assert_eq!(server.status_of(server.oauth_token("ada")).await, 200);
}

#[tokio::test]
async fn rejected_key_needs_two_failed_probes_after_a_success_and_one_otherwise() {
    for (was_good, probes) in [(true, 2), (false, 1)] {
        let server = TestServer::spawn().await;
        let token = server.oauth_token("ada").mint();
        if was_good {
            server.probe.run_once().await;
        }
        let fault = server.clerk.inject(Fault::Status(401).at(Endpoint::BackendJwks));
        for _ in 1..probes {
            server.probe.run_once().await;
            assert_eq!(
                server.with_token(&token).await.status,
                200,
                "a single failed probe can be a fault of Clerk"
            );
        }
        server.probe.run_once().await;
        assert_eq!(server.with_token(&token).await.status, 500);
        assert_eq!(readiness(&server).await.1, "secret-key-invalid");
        server.clerk.clear_fault(fault);
        server.probe.run_once().await;
        assert_eq!(server.with_token(&token).await.status, 200);
    }
}

/// After a rotation the cached keys of the Frontend API can be outdated. That is not a misconfiguration.
#[tokio::test]
async fn key_rotation_is_not_mistaken_for_another_application() {
    let server = TestServer::spawn().await;
    server.probe.run_once().await;
    server.clerk.rotate_key(foreign_key());
    for _ in 0..3 {
        server.probe.run_once().await;
        assert_eq!(readiness(&server).await, (200, "good".to_owned()));
    }
}

#[tokio::test]
async fn unavailable_clerk_does_not_invalidate_the_key() {
    for response in [
        ResponseTemplate::new(403),
        ResponseTemplate::new(500),
        ResponseTemplate::new(429),
        ResponseTemplate::new(200).set_body_string("<html>"),
    ] {
        let clerk = MockServer::start().await;
        Mock::given(path("/v1/jwks"))
            .respond_with(response)
            .mount(&clerk)
            .await;
        let server = TestServer::builder()
            .set("CLERK_API_URL", clerk.uri())
            .spawn()
            .await;
        server.probe.run_once().await;
        assert_eq!(server.status_of(server.oauth_token("ada")).await, 200);
    }
    let server = TestServer::builder()
        .set("CLERK_API_URL", "http://127.0.0.1:9")
        .spawn()
        .await;
    server.probe.run_once().await;
    assert_eq!(server.status_of(server.oauth_token("ada")).await, 200);
}
