//! The admin API.

use local_clerk::{Endpoint, SessionStatus};
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

/// Sends a request that must succeed, and returns the body of the response.
async fn send_ok(harness: &Harness, method: Method, path: &str, body: Option<Value>) -> Value {
    let answer = send(harness, method, path, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
    answer.json()
}

#[tokio::test]
async fn every_operation_in_the_description_accepts_its_example() {
    let harness = Harness::start().await;
    let about = send_ok(&harness, Method::GET, "", None).await;
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
        let accepted = [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::CONFLICT];
        assert!(accepted.contains(&answer.status), "{operation}: {}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.json().is_object());
    }
}

#[tokio::test]
async fn description_documents_every_path_parameter_and_member() {
    let harness = Harness::start().await;
    let about = send_ok(&harness, Method::GET, "", None).await;
    for operation in about["operations"].as_array().unwrap() {
        for parameter in text(operation, "path")
            .split('/')
            .filter(|part| part.starts_with(':'))
        {
            assert!(about["path_parameters"][parameter].is_string(), "{parameter}");
        }
        let Some(example) = operation.get("body") else {
            continue;
        };
        let members = operation["members"].as_object().unwrap();
        for (name, member) in members {
            let description = text(member, "description");
            assert!(!description.contains('\n'), "{name}: {description}");
        }
        let required = operation.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten() {
            assert!(example.get(name.as_str().unwrap()).is_some(), "{operation}");
        }
        for name in example.as_object().unwrap().keys() {
            assert!(members.contains_key(name), "{name}: {operation}");
        }
    }

    let member = |path: &str, name: &str| {
        let operations = about["operations"].as_array().unwrap();
        let operation = operations
            .iter()
            .find(|one| one["path"] == path && one.get("body").is_some());
        operation.unwrap()["members"][name].to_string()
    };
    let faults = member("/admin/faults", "fault");
    assert!(faults.contains(r#""const":"rate_limited""#), "{faults}");
    let statuses = member("/admin/sessions/:session", "status");
    for status in SessionStatus::ALL {
        assert!(statuses.contains(status.name()), "{statuses}");
    }
    let endpoints: Vec<&str> = Endpoint::ALL.iter().map(|endpoint| endpoint.name()).collect();
    assert_eq!(about["endpoints"], json!(endpoints));
}

#[tokio::test]
async fn users_organizations_and_sessions_can_be_changed() {
    let harness = Harness::start().await;
    let mary = json!({ "first_name": "Mary", "email": "mary@example.com" });
    let mary = send_ok(&harness, Method::POST, "/users", Some(mary)).await;
    let organization = json!({ "name": "Celestial Mechanics" });
    send_ok(&harness, Method::POST, "/organizations", Some(organization)).await;
    let members = "/organizations/celestial-mechanics/members/Mary";
    let memberships = format!("/v1/users/{}/organization_memberships", text(&mary, "id"));
    // The second request changes the role.
    for role in ["org:admin", "org:member"] {
        let body = json!({ "role": role });
        send_ok(&harness, Method::PUT, members, Some(body)).await;
        let answer = harness.backend(&memberships).await.json();
        assert_eq!(answer["total_count"], 1);
        assert_eq!(answer["data"][0]["role"], role);
    }
    send_ok(&harness, Method::DELETE, members, None).await;
    assert_eq!(harness.backend(&memberships).await.json()["total_count"], 0);

    for (action, banned) in [("ban", true), ("unban", false)] {
        send_ok(&harness, Method::POST, &format!("/users/ada/{action}"), None).await;
        let user = harness.backend(&format!("/v1/users/{ADA}")).await.json();
        assert_eq!(user["banned"], banned);
    }
    let session = format!("/sessions/{}", text(&mary, "session_id"));
    send_ok(
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

    send_ok(
        &harness,
        Method::PUT,
        "/auto-approve",
        Some(json!({ "user": "Grace" })),
    )
    .await;
    let client = harness.public_client().await;
    let tokens = harness.tokens(&client, &[]).await;
    assert_eq!(claims(text(&tokens, "access_token"))["sub"], GRACE);
    let revoked = send_ok(&harness, Method::POST, "/users/grace/revoke-grants", None).await;
    assert_eq!(revoked["revoked"], 1);

    let state = send_ok(&harness, Method::GET, "/state", None).await;
    assert_eq!(state["users"].as_array().unwrap().len(), 4);
    assert_eq!(state["auto_approve"], GRACE);
    assert!(!state.to_string().contains(harness.clerk.secret_key()));
}

#[tokio::test]
async fn tokens_of_every_kind_can_be_minted_revoked_and_expired() {
    let harness = Harness::start().await;
    let machine = send_ok(
        &harness,
        Method::POST,
        "/machines",
        Some(json!({ "name": "worker" })),
    )
    .await;
    let machine = text(&machine, "id");
    let mint = async |body: Value| send_ok(&harness, Method::POST, "/tokens", Some(body)).await;
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
        send_ok(
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
        (json!({ "kind": "session_token", "user": "Unknown" }), 404),
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
async fn empty_body_is_an_object_without_members() {
    let harness = Harness::start().await;
    let request = harness
        .http
        .post(harness.url("/admin/keys/rotate"))
        .header("content-type", "application/json");
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let rotated = answer.json();
    assert_eq!(
        rotated["published_keys"],
        json!([rotated["signing_key"]]),
        "without overlap"
    );
}

#[tokio::test]
async fn keys_can_be_rotated_and_faults_injected_and_cleared() {
    let harness = Harness::start().await;
    let first = harness.clerk.instance_id().to_owned();
    let rotated = send_ok(
        &harness,
        Method::POST,
        "/keys/rotate",
        Some(json!({ "overlap": true })),
    )
    .await;
    assert_eq!(rotated["published_keys"], json!([rotated["signing_key"], first]));
    send_ok(&harness, Method::DELETE, &format!("/keys/{first}"), None).await;
    let answer = send(&harness, Method::DELETE, &format!("/keys/{first}"), None).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);

    let one = json!({ "of": "another_key", "members": { "kid": "ins_one", "alg": null } });
    let other = json!({ "jwk": "no key", "last": true });
    for body in [one, other] {
        send_ok(&harness, Method::POST, "/keys", Some(body)).await;
    }
    let keys = harness.get("/.well-known/jwks.json").await.json();
    assert_eq!(keys["keys"][0]["kid"], "ins_one");
    assert!(keys["keys"][0]["n"].is_string() && keys["keys"][0].get("alg").is_none());
    assert_eq!(keys["keys"][2], "no key");
    for body in [
        json!({}),
        json!({ "of": "unknown" }),
        json!({ "of": "instance", "jwk": {} }),
    ] {
        let answer = send(&harness, Method::POST, "/keys", Some(body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    }
    send_ok(&harness, Method::DELETE, "/requests", None).await;

    let fault =
        json!({ "fault": "status", "status": 503, "endpoints": ["jwks", "backend_jwks"], "times": 1 });
    let injected = send_ok(&harness, Method::POST, "/faults", Some(fault)).await;
    assert_eq!(injected["remaining"], 1);
    let listed = send_ok(&harness, Method::GET, "/faults", None).await;
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
        let injected = send_ok(&harness, Method::POST, "/faults", Some(body.clone())).await;
        assert_eq!(injected["fault"], body["fault"]);
        send_ok(
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
    let requests = send_ok(&harness, Method::GET, "/requests", None).await;
    assert_eq!(requests["counters"]["jwks"], 2);
    assert_eq!(requests["requests"][0]["fault"], "status");
    send_ok(&harness, Method::DELETE, "/requests", None).await;
    let requests = send_ok(&harness, Method::GET, "/requests", None).await;
    assert_eq!(requests["requests"], json!([]));
}

#[tokio::test]
async fn requests_from_other_origins_and_host_names_are_rejected() {
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
    // Requests that an HTML form can send are rejected.
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
