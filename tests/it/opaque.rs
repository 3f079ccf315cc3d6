//! Opaque tokens: how each response of Clerk's verify endpoints is treated, and how the results are cached.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_json, header, method, path},
};

use crate::support::{Exchange, TestServer, server::RESOURCE, start_time};

const TOKEN: &str = "oat_0123456789ABCDEF0123456789ABCDEF";

/// Returns a report about a valid access token, with these members changed.
fn report(changes: &Value) -> Value {
    let now = start_time().as_second();
    let mut report = json!({
        "object": "clerk_idp_oauth_access_token", "id": TOKEN, "client_id": "client_1", "subject": "user_2opaque",
        "scopes": ["profile", "email"], "revoked": false, "revocation_reason": null, "expired": false,
        "expiration": now + 600, "created_at": now, "updated_at": now, "aud": [RESOURCE],
    });
    report
        .as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    report
}

async fn server(clerk: &MockServer) -> TestServer {
    TestServer::builder()
        .set("CLERK_API_URL", clerk.uri())
        .set(
            "CLERK_ACCEPTED_TOKENS",
            "session_token,oauth_token,m2m_token,api_key",
        )
        .spawn()
        .await
}

/// Calls `greet` with an opaque token while Clerk answers with `response`.
async fn answer_to(response: ResponseTemplate) -> Exchange {
    let clerk = MockServer::start().await;
    let server = server(&clerk).await;
    Mock::given(method("POST"))
        .respond_with(response)
        .mount(&clerk)
        .await;
    greet(&server, TOKEN).await
}

async fn greet(server: &TestServer, token: &str) -> Exchange {
    let params = json!({ "name": "greet", "arguments": { "name": "Ada" } });
    Exchange::of(server.rpc("tools/call", &params).bearer_auth(token)).await
}

#[tokio::test]
async fn valid_opaque_token_is_accepted() {
    let clerk = MockServer::start().await;
    let server = server(&clerk).await;
    Mock::given(method("POST"))
        .and(path("/oauth_applications/access_tokens/verify"))
        .and(header(
            "authorization",
            format!("Bearer {}", server.clerk.secret_key()),
        ))
        .and(body_json(json!({ "access_token": TOKEN })))
        .respond_with(ResponseTemplate::new(200).set_body_json(report(&json!({}))))
        .expect(1)
        .mount(&clerk)
        .await;
    let answer = greet(&server, TOKEN).await.json();
    assert_eq!(
        answer["result"]["content"][0]["text"],
        "Hello, Ada! Your Clerk user ID is user_2opaque"
    );
}

#[tokio::test]
async fn opaque_token_of_the_local_clerk_is_accepted() {
    use local_clerk::{AccessTokens, LocalClerk};
    let clerk = LocalClerk::builder()
        .signing_key(crate::support::server::signing_key())
        .access_tokens(AccessTokens::Opaque)
        .auto_approve("ada")
        .start()
        .await
        .unwrap();
    let builder = clerk
        .environment()
        .into_iter()
        .fold(TestServer::builder(), |builder, (name, value)| {
            builder.set(name, value)
        });
    let server = builder.published_at_its_own_address().spawn().await;
    // The local Clerk issues tokens by the machine's clock.
    server.clock.set(
        std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .map(|since| jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::try_from(since).unwrap())
            .unwrap(),
    );
    let token = crate::oauth::access_token(&server).await;
    assert!(
        token.starts_with("oat_"),
        "the local Clerk issued another kind of token"
    );
    let answer = server.call(&token, "greet", json!({ "name": "Ada" })).await;
    let user = &clerk.sample_users()[0].id;
    assert_eq!(
        answer["result"]["content"][0]["text"],
        format!("Hello, Ada! Your Clerk user ID is {user}")
    );
}

#[tokio::test]
async fn machine_tokens_and_api_keys_have_their_own_endpoints() {
    let clerk = MockServer::start().await;
    let server = server(&clerk).await;
    let (m2m, api_key) = ("machine_to_machine_token", "api_key");
    for (route, member, token, object, subject) in [
        (
            "/m2m_tokens/verify",
            "token",
            "mt_0123456789abcdef",
            m2m,
            "mch_2machine",
        ),
        (
            "/api_keys/verify",
            "secret",
            "ak_0123/abc+def==",
            api_key,
            "org_2company",
        ),
        (
            "/api_keys/verify",
            "secret",
            "ak_of_a_user",
            api_key,
            "user_2opaque",
        ),
    ] {
        Mock::given(path(route))
            .and(body_json(json!({ member: token })))
            .respond_with(ResponseTemplate::new(200).set_body_json(report(
                &json!({ "object": object, "subject": subject, "aud": null, "expiration": null }),
            )))
            .expect(1)
            .mount(&clerk)
            .await;
        assert_eq!(server.with_token(token).await.status, 200, "{token}");
    }
    let m2m = server.clerk.m2m_token("mch_2machine").mint();
    assert_eq!(
        server.with_token(&m2m).await.status,
        200,
        "the JWT of a machine is verified without Clerk"
    );
    let answer = server
        .call("mt_0123456789abcdef", "greet", json!({ "name": "x" }))
        .await;
    assert_eq!(
        answer["result"]["content"][0]["text"],
        "the token does not belong to a user; sign in as a user and call again"
    );
}

#[tokio::test]
async fn kinds_that_are_not_accepted_are_not_sent_to_clerk() {
    let clerk = MockServer::start().await;
    let server = TestServer::builder()
        .set("CLERK_API_URL", clerk.uri())
        .set("CLERK_ACCEPTED_TOKENS", "session_token")
        .spawn()
        .await;
    let m2m = server.clerk.m2m_token("mch_2machine").mint();
    for token in [TOKEN, "mt_0123456789abcdef", "ak_0123456789abcdef", &m2m] {
        assert_eq!(server.with_token(token).await.status, 401, "{token:.4}");
    }
    assert_eq!(clerk.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn token_that_clerk_rejects_is_401() {
    let now = start_time().as_second();
    let expired =
        answer_to(ResponseTemplate::new(200).set_body_json(report(&json!({ "expiration": now - 1 })))).await;
    assert_eq!(expired.json()["error"], "token_expired");
    for (what, response) in [
        (
            "revoked",
            ResponseTemplate::new(200).set_body_json(report(&json!({ "revoked": true }))),
        ),
        (
            "inactive",
            ResponseTemplate::new(200).set_body_json(json!({ "active": false })),
        ),
        (
            "another subject",
            ResponseTemplate::new(200).set_body_json(report(&json!({ "subject": "mch_1" }))),
        ),
        (
            "subject with a path",
            ResponseTemplate::new(200).set_body_json(report(&json!({ "subject": "user_1/sessions" }))),
        ),
        (
            "no audience",
            ResponseTemplate::new(200).set_body_json(report(&json!({ "aud": null }))),
        ),
        (
            "another audience",
            ResponseTemplate::new(200).set_body_json(report(&json!({ "aud": ["https://other.test"] }))),
        ),
        ("400", ResponseTemplate::new(400)),
        ("404", ResponseTemplate::new(404)),
        ("422", ResponseTemplate::new(422)),
    ] {
        let answer = answer_to(response).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (401, &json!("invalid_token")),
            "{what}"
        );
    }
}

#[tokio::test]
async fn rejected_secret_key_is_500() {
    for status in [401, 403] {
        let answer = answer_to(ResponseTemplate::new(status)).await;
        insta::allow_duplicates! { insta::assert_snapshot!(answer.text(&[]), @r#"
        500 Internal Server Error
        cache-control: no-store
        content-type: application/json; charset=utf-8
        vary: Origin

        {
          "error": "server_error",
          "error_description": "Authentication service misconfigured"
        }
        "#); }
    }
}

#[tokio::test]
async fn unavailable_clerk_is_503() {
    for (what, response, retry_after) in [
        (
            "429",
            ResponseTemplate::new(429).insert_header("Retry-After", "17"),
            "17",
        ),
        (
            "429 for an hour",
            ResponseTemplate::new(429).insert_header("Retry-After", "3600"),
            "60",
        ),
        ("500", ResponseTemplate::new(500), "5"),
        ("503", ResponseTemplate::new(503), "5"),
        (
            "302",
            ResponseTemplate::new(302).insert_header("Location", "https://evil.test"),
            "5",
        ),
        (
            "not JSON",
            ResponseTemplate::new(200).set_body_string("<html>"),
            "5",
        ),
        (
            "incomplete report",
            ResponseTemplate::new(200).set_body_json(json!({ "subject": "user_1" })),
            "5",
        ),
        (
            "report about another object",
            ResponseTemplate::new(200).set_body_json(report(&json!({ "object": "api_key" }))),
            "5",
        ),
        (
            "2 MB",
            ResponseTemplate::new(200).set_body_bytes(vec![b' '; 2 << 20]),
            "5",
        ),
    ] {
        let answer = answer_to(response).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("retry-after")),
            (503, Some(retry_after)),
            "{what}"
        );
        assert_eq!(
            answer.header("www-authenticate"),
            None,
            "{what}: signing in again would not help"
        );
    }
    let server = TestServer::builder()
        .set("CLERK_API_URL", "http://127.0.0.1:9")
        .spawn()
        .await;
    assert_eq!(server.with_token(TOKEN).await.status, 503);
}

#[tokio::test]
async fn simultaneous_requests_share_one_call_to_clerk() {
    let clerk = MockServer::start().await;
    let server = server(&clerk).await;
    let slow = ResponseTemplate::new(200)
        .set_body_json(report(&json!({})))
        .set_delay(Duration::from_millis(50));
    Mock::given(method("POST"))
        .respond_with(slow)
        .expect(1)
        .mount(&clerk)
        .await;
    let answers = join_all((0..200).map(|_| server.with_token(TOKEN))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn accepted_token_is_cached_for_a_minute_but_not_past_expiry() {
    let clerk = MockServer::start().await;
    let server = server(&clerk).await;
    let now = start_time().as_second();
    let asked = async || clerk.received_requests().await.unwrap().len();
    let _long = Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(report(&json!({}))))
        .mount_as_scoped(&clerk)
        .await;
    assert_eq!(server.with_token(TOKEN).await.status, 200);
    server.clock.advance(Duration::from_millis(59_999));
    assert_eq!(
        (server.with_token(TOKEN).await.status.as_u16(), asked().await),
        (200, 1)
    );
    server.clock.advance(Duration::from_millis(1));
    assert_eq!(
        (server.with_token(TOKEN).await.status.as_u16(), asked().await),
        (200, 2)
    );

    let short = report(&json!({ "expiration": now + 60 + 10 }));
    let _short = Mock::given(body_json(json!({ "access_token": "oat_short" })))
        .respond_with(ResponseTemplate::new(200).set_body_json(short))
        .with_priority(1)
        .mount_as_scoped(&clerk)
        .await;
    assert_eq!(server.with_token("oat_short").await.status, 200);
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(
        server.with_token("oat_short").await.json()["error"],
        "token_expired"
    );
    assert_eq!(
        asked().await,
        4,
        "the expired result must not come from the cache"
    );
}

#[tokio::test]
async fn rejected_token_is_cached_for_five_seconds() {
    let clerk = MockServer::start().await;
    let server = server(&clerk).await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(404))
        .mount(&clerk)
        .await;
    let asked = async || clerk.received_requests().await.unwrap().len();
    for _ in 0..20 {
        assert_eq!(server.with_token(TOKEN).await.status, 401);
    }
    assert_eq!(asked().await, 1);
    server.clock.advance(Duration::from_secs(5));
    assert_eq!(server.with_token(TOKEN).await.status, 401);
    assert_eq!(asked().await, 2);
}

/// Made-up tokens must not use up Clerk's rate limit, which tools need.
#[tokio::test]
async fn lookups_of_unknown_tokens_are_limited() {
    let clerk = MockServer::start().await;
    let server = server(&clerk).await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(404))
        .mount(&clerk)
        .await;
    let tokens: Vec<_> = (0..1_000).map(|number| format!("oat_{number}")).collect();
    let answers = join_all(tokens.iter().map(|token| server.with_token(token))).await;
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer.status.as_u16(), 401 | 503))
    );
    let asked = clerk.received_requests().await.unwrap().len();
    assert!(asked <= 50, "{asked} calls to Clerk");
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(
        server.with_token("oat_later").await.status,
        401,
        "lookups must resume after the window"
    );
}

#[tokio::test]
async fn retry_after_of_clerk_pauses_lookups() {
    let clerk = MockServer::start().await;
    let server = server(&clerk).await;
    let limited = ResponseTemplate::new(429).insert_header("Retry-After", "30");
    Mock::given(method("POST"))
        .respond_with(limited)
        .mount(&clerk)
        .await;
    for number in 0..10 {
        assert_eq!(server.with_token(&format!("oat_{number}")).await.status, 503);
    }
    assert_eq!(clerk.received_requests().await.unwrap().len(), 1);
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(server.with_token("oat_later").await.status, 503);
    assert_eq!(clerk.received_requests().await.unwrap().len(), 2);
}
