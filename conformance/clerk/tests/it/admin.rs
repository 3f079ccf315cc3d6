//! The admin API.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{ADA, Answer, GRACE, Harness, claims, text};

async fn send(harness: &Harness, method: Method, path: &str, body: Option<Value>) -> Answer {
    let mut request = harness
        .http
        .request(method, harness.url(&format!("/admin{path}")));
    if let Some(body) = body {
        request = request.json(&body);
    }
    Answer::of(request).await
}

async fn done(harness: &Harness, method: Method, path: &str, body: Option<Value>) -> Value {
    let answer = send(harness, method, path, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
    answer.json()
}

#[tokio::test]
async fn it_describes_itself_and_every_example_is_understood() {
    let harness = Harness::start().await;
    let about = done(&harness, Method::GET, "", None).await;
    assert!(
        about["endpoints"]
            .as_array()
            .unwrap()
            .contains(&json!("backend_user"))
    );
    for operation in about["operations"].as_array().unwrap() {
        let path = text(operation, "path").strip_prefix("/admin").unwrap();
        let path = path
            .replace(":user", "ada")
            .replace(":organization", "compiler-works")
            .replace(":session", "sess_x")
            .replace(":kid", "ins_x")
            .replace(":id", "1");
        let method: Method = text(operation, "method").parse().unwrap();
        let answer = send(&harness, method, &path, operation.get("body").cloned()).await;
        let understood = [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::CONFLICT];
        assert!(
            understood.contains(&answer.status),
            "{operation}: {}",
            answer.body
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.json().is_object());
    }
}

#[tokio::test]
async fn people_change() {
    let harness = Harness::start().await;
    let mary = json!({ "first_name": "Mary", "email": "mary@example.com" });
    let mary = done(&harness, Method::POST, "/users", Some(mary)).await;
    let organization = json!({ "name": "Celestial Mechanics" });
    done(&harness, Method::POST, "/organizations", Some(organization)).await;
    let members = "/organizations/celestial-mechanics/members/Mary";
    done(
        &harness,
        Method::PUT,
        members,
        Some(json!({ "role": "org:admin" })),
    )
    .await;
    let memberships = format!("/v1/users/{}/organization_memberships", text(&mary, "id"));
    assert_eq!(harness.backend(&memberships).await.json()["total_count"], 1);
    done(&harness, Method::DELETE, members, None).await;
    assert_eq!(harness.backend(&memberships).await.json()["total_count"], 0);

    for (action, banned) in [("ban", true), ("unban", false)] {
        done(&harness, Method::POST, &format!("/users/ada/{action}"), None).await;
        let user = harness.backend(&format!("/v1/users/{ADA}")).await.json();
        assert_eq!(user["banned"], banned);
    }
    let session = format!("/sessions/{}", text(&mary, "session_id"));
    done(
        &harness,
        Method::PUT,
        &session,
        Some(json!({ "status": "revoked" })),
    )
    .await;
    assert_eq!(
        harness.backend(&format!("/v1{session}")).await.json()["status"],
        "revoked"
    );
    let answer = send(&harness, Method::PUT, &session, Some(json!({ "status": "lost" }))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);

    done(
        &harness,
        Method::PUT,
        "/auto-approve",
        Some(json!({ "user": "Grace" })),
    )
    .await;
    let client = harness.public_client().await;
    let tokens = harness.tokens(&client, &[]).await;
    assert_eq!(claims(text(&tokens, "access_token"))["sub"], GRACE);
    let revoked = done(&harness, Method::POST, "/users/grace/revoke-grants", None).await;
    assert_eq!(revoked["revoked"], 1);

    let state = done(&harness, Method::GET, "/state", None).await;
    assert_eq!(state["users"].as_array().unwrap().len(), 4);
    assert_eq!(state["auto_approve"], GRACE);
    assert!(!state.to_string().contains(harness.clerk.secret_key()));
}

#[tokio::test]
async fn tokens_of_every_kind_are_minted_and_ended() {
    let harness = Harness::start().await;
    let machine = done(
        &harness,
        Method::POST,
        "/machines",
        Some(json!({ "name": "worker" })),
    )
    .await;
    let machine = text(&machine, "id");
    let mint = async |body: Value| done(&harness, Method::POST, "/tokens", Some(body)).await;
    for (body, claim, value) in [
        (json!({ "kind": "session_token", "user": "Ada" }), "v", json!(2)),
        (
            json!({ "kind": "session_token", "user": "Ada", "version": 1 }),
            "v",
            Value::Null,
        ),
        (
            json!({ "kind": "session_token", "user": "Ada", "version": 1, "organization": "compiler-works" }),
            "org_role",
            json!("org:member"),
        ),
        (
            json!({ "kind": "pending_session_token", "user": "Ada" }),
            "sts",
            json!("pending"),
        ),
        (
            json!({ "kind": "template_token", "user": "Ada" }),
            "sid",
            Value::Null,
        ),
        (
            json!({ "kind": "oauth_token", "user": "Ada", "client_id": "c", "scopes": ["a", "b"], "resource": "https://mcp.example/" }),
            "aud",
            json!(["https://mcp.example/"]),
        ),
        (
            json!({ "kind": "id_token", "user": "Ada", "client_id": "c" }),
            "aud",
            json!("c"),
        ),
        (
            json!({ "kind": "m2m_token", "machine": machine }),
            "sub",
            json!(machine),
        ),
        (
            json!({ "kind": "session_token", "user": "Ada", "claims": { "exp": 1, "sid": null } }),
            "exp",
            json!(1),
        ),
    ] {
        let minted = mint(body.clone()).await;
        let claims = claims(text(&minted, "token"));
        assert_eq!(claims.get(claim).unwrap_or(&Value::Null), &value, "{body}");
    }
    let impersonated = mint(json!({ "kind": "impersonation_token", "user": "Ada", "actor": "Grace" })).await;
    assert_eq!(claims(text(&impersonated, "token"))["act"]["sub"], GRACE);

    let opaque = mint(json!({ "kind": "opaque_m2m_token", "machine": machine })).await;
    let key = mint(json!({ "kind": "api_key", "subject": "Ada", "expires_in_seconds": 60 })).await;
    for (path, token) in [("/tokens/revoke", &opaque), ("/tokens/expire", &key)] {
        done(
            &harness,
            Method::POST,
            path,
            Some(json!({ "token": token["token"] })),
        )
        .await;
    }
    for (body, status) in [
        (json!({ "kind": "any" }), 400),
        (
            json!({ "kind": "session_token", "claims": { "exp": "@now-1y" } }),
            400,
        ),
        (json!({ "kind": "session_token", "user": "Ada", "org": "x" }), 400),
        (
            json!({ "kind": "session_token", "user": "Ada", "version": 3 }),
            400,
        ),
        (json!({ "kind": "password", "user": "Ada" }), 400),
        (json!({ "kind": "session_token", "user": "Nobody" }), 404),
        (
            json!({ "kind": "session_token", "user": "Grace", "organization": "analytical-engines" }),
            404,
        ),
    ] {
        let answer = send(&harness, Method::POST, "/tokens", Some(body)).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    }
}

#[tokio::test]
async fn keys_rotate_and_faults_come_and_go() {
    let harness = Harness::start().await;
    let first = harness.clerk.instance_id().to_owned();
    let rotated = done(
        &harness,
        Method::POST,
        "/keys/rotate",
        Some(json!({ "overlap": true })),
    )
    .await;
    assert_eq!(rotated["published_keys"], json!([rotated["signing_key"], first]));
    done(&harness, Method::DELETE, &format!("/keys/{first}"), None).await;
    let answer = send(&harness, Method::DELETE, &format!("/keys/{first}"), None).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);

    let one = json!({ "of": "another_key", "members": { "kid": "ins_one", "alg": null } });
    let other = json!({ "jwk": "no key", "last": true });
    for body in [one, other] {
        done(&harness, Method::POST, "/keys", Some(body)).await;
    }
    let keys = harness.get("/.well-known/jwks.json").await.json();
    assert_eq!(keys["keys"][0]["kid"], "ins_one");
    assert!(keys["keys"][0]["n"].is_string() && keys["keys"][0].get("alg").is_none());
    assert_eq!(keys["keys"][2], "no key");
    for body in [
        json!({}),
        json!({ "of": "nobody" }),
        json!({ "of": "instance", "jwk": {} }),
    ] {
        let answer = send(&harness, Method::POST, "/keys", Some(body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    }
    done(&harness, Method::DELETE, "/requests", None).await;

    let fault =
        json!({ "fault": "status", "status": 503, "endpoints": ["jwks", "backend_jwks"], "times": 1 });
    let injected = done(&harness, Method::POST, "/faults", Some(fault)).await;
    assert_eq!(injected["remaining"], 1);
    let listed = done(&harness, Method::GET, "/faults", None).await;
    assert_eq!(listed["faults"], json!([injected]));
    assert_eq!(harness.get("/.well-known/jwks.json").await.status.as_u16(), 503);
    assert_eq!(harness.get("/.well-known/jwks.json").await.status.as_u16(), 200);
    for body in [
        json!({ "fault": "rate_limited", "retry_after_seconds": 3 }),
        json!({ "fault": "down" }),
        json!({ "fault": "malformed" }),
        json!({ "fault": "truncated" }),
        json!({ "fault": "huge", "bytes": 10 }),
        json!({ "fault": "wrong_content_type" }),
        json!({ "fault": "redirect", "location": "/" }),
        json!({ "fault": "changed", "members": { "object": "@null" } }),
        json!({ "fault": "reset" }),
        json!({ "fault": "delay", "milliseconds": 1 }),
        json!({ "fault": "hold" }),
    ] {
        let injected = done(&harness, Method::POST, "/faults", Some(body.clone())).await;
        assert_eq!(injected["fault"], body["fault"]);
        done(
            &harness,
            Method::DELETE,
            &format!("/faults/{}", injected["id"]),
            None,
        )
        .await;
    }
    for body in [
        json!({ "fault": "earthquake" }),
        json!({ "fault": "status" }),
        json!({ "fault": "changed" }),
        json!({ "fault": "status", "status": 99 }),
        json!({ "fault": "down", "endpoints": ["nowhere"] }),
        json!({ "fault": "down", "time": 1 }),
    ] {
        let answer = send(&harness, Method::POST, "/faults", Some(body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    }
    let requests = done(&harness, Method::GET, "/requests", None).await;
    assert_eq!(requests["counters"]["jwks"], 2);
    assert_eq!(requests["requests"][0]["fault"], "status");
    done(&harness, Method::DELETE, "/requests", None).await;
    let requests = done(&harness, Method::GET, "/requests", None).await;
    assert_eq!(requests["requests"], json!([]));
}

#[tokio::test]
async fn pages_of_other_origins_and_other_names_are_kept_out() {
    let harness = Harness::start().await;
    let own = harness.clerk.issuer().to_owned();
    let port = harness.clerk.domain().rsplit(':').next().unwrap().to_owned();
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = harness.http.get(harness.url("/admin/state"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::of(request).await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
        answer.status.as_u16()
    };
    let localhost = format!("localhost:{port}");
    for headers in [
        &[][..],
        &[("origin", &*own)],
        &[("sec-fetch-site", "same-origin")],
        &[("host", &*localhost)],
    ] {
        assert_eq!(ask(headers).await, 200, "{headers:?}");
    }
    for headers in [
        [("origin", "https://app.example.com")],
        [("origin", "null")],
        [("origin", "http://127.0.0.1:1")],
        [("origin", "https://localhost:4567")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
        [("host", "attacker.example")],
        [("host", "127.0.0.1")],
        [("host", "user@attacker.example")],
    ] {
        assert_eq!(ask(&headers).await, 403, "{headers:?}");
    }
    // Nothing a form can send is understood.
    let form = harness
        .http
        .post(harness.url("/admin/auto-approve"))
        .header("content-type", "text/plain")
        .body(r#"{"user":"Ada"}"#);
    let answer = Answer::of(form).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let form = harness
        .http
        .put(harness.url("/admin/auto-approve"))
        .body(r#"{"user":"Ada"}"#);
    assert_eq!(Answer::of(form).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let preflight = harness
        .http
        .request(Method::OPTIONS, harness.url("/admin/users"))
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST");
    assert_eq!(Answer::of(preflight).await.status, StatusCode::FORBIDDEN);
    assert_eq!(harness.get("/admin/nothing").await.status, StatusCode::NOT_FOUND);
}
