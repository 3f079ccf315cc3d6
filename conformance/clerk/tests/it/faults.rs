//! Injected faults, keys and tokens that end early, and the request log.

use std::{sync::Arc, time::Duration};

use local_clerk::{EndTokenError, Endpoint, Fault, mint::SigningKey};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{ADA, Harness, KEY, text};

const KEYS: &str = "/.well-known/jwks.json";

#[tokio::test]
async fn status_fault_sends_clerks_error_body_the_given_number_of_times() {
    let harness = Harness::start().await;
    for (status, code) in [
        (401, "authentication_invalid"),
        (403, "authorization_invalid"),
        (429, "too_many_requests"),
        (500, "internal_clerk_error"),
        (502, "internal_clerk_error"),
        (503, "service_unavailable"),
        (504, "gateway_timeout"),
    ] {
        harness
            .clerk
            .inject(Fault::Status(status).at(Endpoint::Jwks).times(1));
        let answer = harness.get(KEYS).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.json()["errors"][0]["code"], code);
        assert_eq!(answer.header("retry-after"), None);
        assert_eq!(harness.get(KEYS).await.status, StatusCode::OK);
    }
    let limited = Fault::RateLimited {
        retry_after: Duration::from_millis(1_500),
    };
    harness
        .clerk
        .inject(limited.at(Endpoint::BackendUser).and(Endpoint::Jwks));
    let answer = harness.backend(&format!("/v1/users/{ADA}")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (429, Some("2"))
    );
    assert_eq!(
        answer.header("x-clerk-trace-id"),
        answer.json()["clerk_trace_id"].as_str()
    );
    assert_eq!(harness.get(KEYS).await.status.as_u16(), 429);
    assert_eq!(harness.backend("/v1/jwks").await.status, StatusCode::OK);
}

#[tokio::test]
async fn fault_everywhere_does_not_affect_the_admin_api() {
    let harness = Harness::start().await;
    let down = harness.clerk.inject(Fault::Down.everywhere());
    for path in [KEYS, "/oauth/authorize", "/nothing", "/backend/v1/jwks"] {
        let answer = harness.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    }
    assert_eq!(harness.get("/admin/faults").await.status, StatusCode::OK);
    assert!(harness.clerk.clear_fault(down));
    assert_eq!(harness.get(KEYS).await.status, StatusCode::OK);
}

#[tokio::test]
async fn body_faults_damage_one_response() {
    let harness = Harness::start().await;
    let right = harness.get(KEYS).await;
    let next = |fault: Fault| harness.clerk.inject(fault.at(Endpoint::Jwks).times(1));

    next(Fault::Malformed);
    let answer = harness.get(KEYS).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (StatusCode::OK, Some("application/json"))
    );
    assert!(serde_json::from_str::<serde_json::Value>(&answer.body).is_err());

    next(Fault::WrongContentType);
    let answer = harness.get(KEYS).await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.body, right.body);

    next(Fault::Huge { bytes: 1_000_000 });
    let answer = harness.get(KEYS).await;
    assert!(answer.body.len() >= 1_000_000);
    assert!(answer.json().is_object());

    next(Fault::Redirect {
        location: "https://elsewhere.example/".to_owned(),
    });
    let answer = harness.get(KEYS).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::FOUND, Some("https://elsewhere.example/"))
    );

    next(Fault::Changed {
        members: vec![("keys".to_owned(), Some(json!([]))), ("nothing".to_owned(), None)],
    });
    let answer = harness.get(KEYS).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (StatusCode::OK, Some("application/json"))
    );
    assert_eq!(answer.json(), json!({ "keys": [] }));

    next(Fault::Truncated);
    let mut answer = harness.http.get(harness.url(KEYS)).send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.content_length()),
        (StatusCode::OK, Some(right.body.len() as u64))
    );
    let mut received = Vec::new();
    let cut = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => received.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(cut && right.body.as_bytes().starts_with(&received) && received.len() < right.body.len());
    assert_eq!(harness.get(KEYS).await.body, right.body);
}

#[tokio::test]
async fn reset_fault_resets_connections_over_http_and_https() {
    for harness in [Harness::start().await, Harness::https().await] {
        // Sends a request before and after, so that the fault also affects a kept-alive connection.
        assert_eq!(harness.get(KEYS).await.status, StatusCode::OK);
        harness.clerk.inject(Fault::Reset.at(Endpoint::Jwks));
        let error = harness.http.get(harness.url(KEYS)).send().await.unwrap_err();
        assert!(!error.is_connect() && !error.is_timeout(), "{error:?}");
        assert!(harness.clerk.request_count(Endpoint::Jwks) >= 2);
        harness.clerk.clear_faults();
        assert_eq!(harness.get(KEYS).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn held_requests_are_answered_when_the_fault_is_cleared() {
    let harness = Arc::new(Harness::start().await);
    let hold = harness.clerk.inject(Fault::Hold.at(Endpoint::Jwks).times(2));
    let asking: Vec<_> = (0..2)
        .map(|_| {
            let harness = Arc::clone(&harness);
            tokio::spawn(async move { harness.get(KEYS).await.status })
        })
        .collect();
    harness.clerk.wait_for_requests(Endpoint::Jwks, 2).await;
    assert!(asking.iter().all(|one| !one.is_finished()));
    assert_eq!(harness.clerk.requests().last().unwrap().status, None);
    // The fault applies to two requests only.
    assert_eq!(harness.get(KEYS).await.status, StatusCode::OK);
    harness.clerk.clear_fault(hold);
    for one in asking {
        assert_eq!(one.await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test]
async fn held_requests_are_answered_when_the_server_stops() {
    let harness = Harness::start().await;
    harness.clerk.inject(Fault::Hold.everywhere());
    let (http, url) = (harness.http.clone(), harness.url(KEYS));
    let asking = tokio::spawn(async move { http.get(url).send().await.unwrap().status() });
    harness.clerk.wait_for_requests(Endpoint::Jwks, 1).await;
    harness.clerk.stop().await;
    assert_eq!(asking.await.unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn delay_combines_with_another_fault() {
    let harness = Harness::start().await;
    harness
        .clerk
        .inject(Fault::Delay(Duration::from_millis(1)).at(Endpoint::Jwks));
    harness.clerk.inject(Fault::Status(500).at(Endpoint::Jwks));
    assert_eq!(harness.get(KEYS).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    let shown: Vec<&str> = harness
        .clerk
        .faults()
        .iter()
        .map(|(_, rule)| rule.fault().name())
        .collect();
    assert_eq!(shown, ["delay", "status"]);
}

#[tokio::test]
async fn keys_can_overlap_and_be_unpublished() {
    let harness = Harness::start().await;
    let kids = async || -> Vec<String> {
        let keys = harness.get(KEYS).await.json();
        let keys = keys["keys"].as_array().unwrap();
        keys.iter().map(|key| text(key, "kid").to_owned()).collect()
    };
    let next = SigningKey::generate("ins_2sTheNextKey00000000000000");
    let before = harness
        .clerk
        .oauth_token(ADA, "client", &[], None)
        .unwrap()
        .mint();
    harness.clerk.rotate_key_with_overlap(next.clone());
    assert_eq!(kids().await, [next.kid(), KEY.kid()]);
    let after = harness
        .clerk
        .oauth_token(ADA, "client", &[], None)
        .unwrap()
        .mint();
    for token in [&before, &after] {
        assert_eq!(harness.verify(token).await.status, StatusCode::OK);
    }
    assert!(harness.clerk.drop_key(KEY.kid()) && !harness.clerk.drop_key(KEY.kid()));
    assert_eq!(harness.verify(&before).await.status, StatusCode::NOT_FOUND);
    assert_eq!(harness.verify(&after).await.status, StatusCode::OK);
    harness
        .clerk
        .publish_first(json!({ "kid": "ins_first", "kty": "oct" }));
    harness.clerk.publish_last(json!({ "kid": "ins_last" }));
    assert_eq!(kids().await, ["ins_first", next.kid(), "ins_last"]);
    for kid in ["ins_first", "ins_last", next.kid()] {
        assert!(harness.clerk.drop_key(kid));
    }
    assert!(kids().await.is_empty());
}

#[tokio::test]
async fn tokens_can_be_expired_and_revoked_early() {
    let harness = Harness::opaque().await;
    let client = harness.public_client().await;
    let tokens = harness.tokens(&client, &[]).await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    harness.clerk.expire_token(access).unwrap();
    assert_eq!(harness.verify(access).await.json()["expired"], true);

    let id = harness.verify(access).await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    harness.clerk.revoke_token(&id).unwrap();
    assert_eq!(harness.verify(access).await.json()["revoked"], true);
    harness.clerk.revoke_token(refresh).unwrap();
    harness
        .refresh(&client, refresh, &[])
        .await
        .assert_oauth_error(400, "invalid_grant");

    let tokens = harness.tokens(&client, &[]).await;
    assert_eq!(harness.clerk.revoke_grants("Ada"), Ok(1));
    harness
        .refresh(&client, text(&tokens, "refresh_token"), &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(harness.clerk.revoke_grants("Ada"), Ok(0));

    let jwt = harness.clerk.session_token(ADA).unwrap().mint();
    assert_eq!(
        harness.clerk.revoke_token(&jwt),
        Err(EndTokenError::SelfContained)
    );
    assert_eq!(harness.clerk.expire_token("oat_x"), Err(EndTokenError::Unknown));
}

#[tokio::test]
async fn request_log_omits_queries_headers_and_bodies() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let code = harness.code(&client, &[]).await;
    harness.redeem(&client, &code, &[]).await;
    harness.backend(&format!("/v1/users/{ADA}?secret={code}")).await;
    harness.get("/no/such/path").await;
    harness.get("/admin/requests").await;
    let log = harness.clerk.requests();
    let shown: Vec<String> = log
        .iter()
        .map(|one| {
            format!(
                "{} {} {} {} {}",
                one.method,
                one.path,
                one.endpoint.map_or("-", Endpoint::name),
                one.authorization.as_deref().unwrap_or("-"),
                one.status.unwrap()
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    POST /oauth/register register - 201
    GET /oauth/authorize authorize - 302
    POST /oauth/token token - 200
    GET /backend/v1/users/user_2sAdaLovelace0000000000000A backend_user Bearer 200
    GET /no/such/path - - 404
    ");
    assert!(!format!("{log:?}").contains(&code));
    harness.clerk.clear_requests();
    assert!(harness.clerk.requests().is_empty());
    assert_eq!(harness.clerk.request_count(Endpoint::Token), 0);
}
