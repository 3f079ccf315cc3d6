//! The table of refusals: every row as a whole response, and which tokens are rejected with which row.

use jiff::ToSpan;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::{Method, header::AUTHORIZATION};
use serde_json::json;

use crate::support::{
    Exchange, TestServer,
    log::CapturedLog,
    server::{RESOURCE, foreign_key},
    start_time,
};

fn seconds(offset: i64) -> i64 {
    start_time().as_second() + offset
}

#[tokio::test]
async fn request_without_token_is_rejected_with_a_bare_challenge() {
    let server = TestServer::spawn().await;
    insta::assert_snapshot!(Exchange::of(server.mcp()).await.text(&[]), @r#"
    401 Unauthorized
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin
    www-authenticate: Bearer scope="profile email", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"

    {
      "error": "unauthorized",
      "error_description": "Missing or invalid bearer token"
    }
    "#);
}

#[tokio::test]
async fn other_schemes_and_malformed_tokens_are_answered_like_a_missing_token() {
    let server = TestServer::spawn().await;
    let none = Exchange::of(server.mcp()).await.text(&[]);
    for value in [
        "Basic dXNlcjpwdw==",
        "Bearer",
        "Bearer ",
        "bearer a b",
        "Bearer \"x\"",
        "Token x",
        "",
    ] {
        let answer = Exchange::of(server.mcp().header(AUTHORIZATION, value)).await;
        assert_eq!(answer.text(&[]), none, "{value:?}");
    }
    // RFC 6750 §2.2 and §2.3 are not supported, so such tokens are ignored.
    let token = server.oauth_token("ada").mint();
    let query = server.request(Method::POST, &format!("/mcp?access_token={token}"));
    assert_eq!(Exchange::of(query.body("{}")).await.text(&[]), none);
}

#[tokio::test]
async fn more_than_one_credential_is_400() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    let twice = server
        .mcp()
        .bearer_auth(&token)
        .header(AUTHORIZATION, format!("Bearer {token}"));
    insta::assert_snapshot!(Exchange::of(twice).await.text(&[]), @r#"
    400 Bad Request
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin
    www-authenticate: Bearer error="invalid_request", error_description="Exactly one bearer token is expected", scope="profile email", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"

    {
      "error": "invalid_request",
      "error_description": "Exactly one bearer token is expected"
    }
    "#);
}

#[tokio::test]
async fn expired_token_is_rejected() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").claim("exp", seconds(-3600)).mint();
    insta::assert_snapshot!(server.with_token(&token).await.text(&[]), @r#"
    401 Unauthorized
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin
    www-authenticate: Bearer error="invalid_token", error_description="Token has expired", scope="profile email", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"

    {
      "error": "token_expired",
      "error_description": "Token has expired"
    }
    "#);
}

#[tokio::test]
async fn token_with_a_wrong_signature_is_rejected() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").signed_by(&foreign_key()).mint();
    insta::assert_snapshot!(server.with_token(&token).await.text(&[]), @r#"
    401 Unauthorized
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin
    www-authenticate: Bearer error="invalid_token", error_description="Token verification failed", scope="profile email", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"

    {
      "error": "invalid_token",
      "error_description": "Token verification failed"
    }
    "#);
}

#[tokio::test]
async fn token_without_a_required_scope_is_403() {
    let server = TestServer::builder()
        .set("REQUIRED_SCOPES", "profile,billing:read,billing:write")
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    insta::assert_snapshot!(server.with_token(&token).await.text(&[]), @r#"
    403 Forbidden
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin
    www-authenticate: Bearer error="insufficient_scope", error_description="Required scopes: profile billing:read billing:write", scope="profile email billing:read billing:write", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"

    {
      "error": "insufficient_scope",
      "error_description": "Required scopes: profile billing:read billing:write"
    }
    "#);
    let granted = server
        .clerk
        .oauth_token(
            "ada",
            "client_test",
            &["billing:write", "billing:read", "profile"],
            Some(RESOURCE),
        )
        .unwrap();
    assert_eq!(server.status_of(granted).await, 200);
    // Session tokens have no scopes, even if they have a custom claim `scope`.
    assert_eq!(
        server
            .status_of(
                server
                    .session_token("ada")
                    .claim("scope", "profile billing:read billing:write")
            )
            .await,
        403
    );
}

#[tokio::test]
async fn unavailable_key_set_is_503() {
    let server = TestServer::builder()
        .set("CLERK_FRONTEND_API_URL", "http://127.0.0.1:9")
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    insta::assert_snapshot!(server.with_token(&token).await.text(&[]), @r#"
    503 Service Unavailable
    cache-control: no-store
    content-type: application/json; charset=utf-8
    retry-after: 5
    vary: Origin

    {
      "error": "temporarily_unavailable",
      "error_description": "Authentication service unavailable"
    }
    "#);
}

#[tokio::test]
async fn valid_tokens_are_accepted() {
    let server = TestServer::spawn().await;
    let session = || server.session_token("ada");
    let oauth = || server.oauth_token("ada");
    for (what, recipe) in [
        ("session token", session()),
        ("v1 session token", server.clerk.session_token_v1("ada").unwrap()),
        (
            "session token that names this server",
            session().claim("aud", json!(["x", "https://MCP.example.com/"])),
        ),
        (
            "session token with the unspecified class",
            session().header("cat", "cl_I7d4PD111III"),
        ),
        ("session token without a class", session().without_header("cat")),
        (
            "session token without iat and nbf",
            session().without_claim("iat").without_claim("nbf"),
        ),
        ("access token", oauth()),
        (
            "access token with the long typ",
            oauth().header("typ", "application/at+jwt"),
        ),
        (
            "access token for the base URL",
            oauth().claim("aud", "https://mcp.example.com"),
        ),
        (
            "access token for several servers",
            oauth().claim("aud", json!(["https://a.test", "https://mcp.example.com/mcp/"])),
        ),
        (
            "unknown header members",
            oauth().header("jku", "https://evil.test").header("oiat", 1),
        ),
    ] {
        assert_eq!(server.status_of(recipe).await, 200, "{what}");
    }
}

#[tokio::test]
async fn audience_is_checked_as_configured() {
    let lenient = TestServer::builder()
        .set("CLERK_AUDIENCE", "if-present")
        .spawn()
        .await;
    assert_eq!(
        lenient
            .status_of(lenient.oauth_token("ada").without_claim("aud"))
            .await,
        200
    );
    assert_eq!(
        lenient
            .status_of(lenient.oauth_token("ada").claim("aud", json!([])))
            .await,
        401
    );
    assert_eq!(
        lenient
            .status_of(
                lenient
                    .oauth_token("ada")
                    .claim("aud", "https://other.example.com")
            )
            .await,
        401
    );
    let off = TestServer::builder().set("CLERK_AUDIENCE", "off").spawn().await;
    assert_eq!(
        off.status_of(off.oauth_token("ada").claim("aud", "https://other.example.com"))
            .await,
        200
    );
}

/// For moving a running server to `required`: the log names the clients that would be rejected.
#[tokio::test]
async fn observed_audience_is_accepted_and_each_client_logged_once() {
    let log = CapturedLog::start();
    let recorder = PrometheusBuilder::new().build_recorder();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let server = TestServer::builder()
        .set("CLERK_AUDIENCE", "observe")
        .spawn()
        .await;
    let token = |client: &str| {
        server
            .clerk
            .oauth_token("ada", client, &["email"], Some(RESOURCE))
            .unwrap()
    };
    for recipe in [
        token("good"),
        token("old").without_claim("aud"),
        token("old").claim("aud", json!([])),
        token("lost").claim("aud", "https://other.example.com"),
        token("query").claim("aud", format!("{RESOURCE}?tenant=1")),
    ] {
        let token = recipe.mint();
        for _ in 0..2 {
            assert_eq!(server.with_token(&token).await.status, 200);
        }
    }
    let opaque = server
        .clerk
        .oauth_token("ada", "client", &["email"], None)
        .unwrap();
    assert_eq!(
        server.status_of(opaque.claim("aud", 7)).await,
        401,
        "a malformed aud"
    );
    let events = log.events("clerk_mcp::auth::observed_audiences");
    let clients: Vec<_> = events
        .iter()
        .map(|event| (&event["client_id"], &event["aud"]))
        .collect();
    assert_eq!(
        clients,
        [
            (&json!("old"), &json!("null")),
            (&json!("lost"), &json!("\"https://other.example.com\"")),
            (&json!("query"), &json!(format!("\"{RESOURCE}?tenant=1\"")))
        ]
    );
    let metrics = recorder.handle().render();
    assert!(
        metrics.contains("clerk_mcp_observed_audiences_total 4"),
        "{metrics}"
    );
}

/// Clerk's Convex integration puts an `aud` into every session token.
#[tokio::test]
async fn session_token_with_a_foreign_audience_is_accepted_if_configured() {
    let log = CapturedLog::start();
    let default = TestServer::spawn().await;
    let convex = |server: &TestServer| server.session_token("ada").claim("aud", "convex");
    assert_eq!(default.status_of(convex(&default)).await, 401);
    let detail = log.events("clerk_mcp::auth::refusal")[0]["detail"].clone();
    for part in [
        "(aud)",
        "Clerk Dashboard > Sessions",
        "CLERK_SESSION_AUDIENCE=off",
        "CLERK_ACCEPTED_AUDIENCES",
    ] {
        assert!(detail.as_str().unwrap().contains(part), "{detail}");
    }
    let off = TestServer::builder()
        .set("CLERK_SESSION_AUDIENCE", "off")
        .spawn()
        .await;
    assert_eq!(off.status_of(convex(&off)).await, 200);
    let foreign = off.oauth_token("ada").claim("aud", "convex");
    assert_eq!(
        off.status_of(foreign).await,
        401,
        "the setting is for session tokens only"
    );
    let listed = TestServer::builder()
        .set("CLERK_ACCEPTED_AUDIENCES", "convex, https://old.example.com/mcp")
        .spawn()
        .await;
    for (recipe, status) in [
        (convex(&listed), 200),
        (
            listed.oauth_token("ada").claim("aud", json!(["x", "convex"])),
            200,
        ),
        (
            listed
                .oauth_token("ada")
                .claim("aud", "https://old.example.com/mcp"),
            200,
        ),
        // Compared exactly.
        (
            listed
                .oauth_token("ada")
                .claim("aud", "https://old.example.com/mcp/"),
            401,
        ),
        (listed.session_token("ada").claim("aud", "Convex"), 401),
        // This server's own names stay valid.
        (listed.oauth_token("ada"), 200),
    ] {
        assert_eq!(
            listed.status_of(recipe.clone()).await,
            status,
            "{}",
            recipe.claims_json()
        );
    }
}

#[tokio::test]
async fn session_token_needs_an_authorized_party() {
    let server = TestServer::builder()
        .set("CLERK_AUTHORIZED_PARTIES", "https://a.test, https://b.test")
        .spawn()
        .await;
    let session = || server.session_token("ada");
    assert_eq!(
        server.status_of(session().claim("azp", "https://b.test")).await,
        200
    );
    assert_eq!(
        server.status_of(session().claim("azp", "https://c.test")).await,
        401
    );
    assert_eq!(server.status_of(session().without_claim("azp")).await, 401);
    // Access tokens have no azp; they are bound to a server by their audience.
    assert_eq!(server.status_of(server.oauth_token("ada")).await, 200);
}

#[tokio::test]
async fn kinds_that_are_not_accepted_are_rejected() {
    let server = TestServer::builder()
        .set("CLERK_ACCEPTED_TOKENS", "oauth_token")
        .spawn()
        .await;
    assert_eq!(server.status_of(server.session_token("ada")).await, 401);
    assert_eq!(server.status_of(server.oauth_token("ada")).await, 200);
    let server = TestServer::builder()
        .set("CLERK_ACCEPTED_TOKENS", "session_token")
        .spawn()
        .await;
    assert_eq!(server.status_of(server.session_token("ada")).await, 200);
    assert_eq!(server.status_of(server.oauth_token("ada")).await, 401);
}

#[tokio::test]
async fn static_key_is_used_without_fetching_the_key_set() {
    let key = crate::support::server::signing_key();
    let server = TestServer::builder()
        .set("CLERK_JWT_KEY", key.public_key_pem().replace('\n', "\\n"))
        .spawn()
        .await;
    assert_eq!(
        server
            .status_of(server.session_token("ada").header("kid", "any"))
            .await,
        200
    );
    assert_eq!(
        server
            .status_of(server.session_token("ada").signed_by(&foreign_key()))
            .await,
        401
    );
    assert_eq!(server.clerk.request_count(local_clerk::Endpoint::Jwks), 0);
}

/// Tokens are accepted up to the leeway and rejected one second beyond it.
#[tokio::test]
async fn time_claims_are_checked_with_leeway() {
    let server = TestServer::spawn().await;
    let token = |claim: &str, offset: i64| server.oauth_token("ada").claim(claim, seconds(offset));
    let leeway = 5;
    for (claim, offset, status) in [
        ("exp", -leeway + 1, 200),
        ("exp", -leeway, 401),
        ("nbf", leeway, 200),
        ("nbf", leeway + 1, 401),
        ("iat", leeway, 200),
        ("iat", leeway + 1, 401),
    ] {
        assert_eq!(
            server.status_of(token(claim, offset)).await,
            status,
            "{claim} at {offset} s"
        );
    }
    // A token that was accepted before is rejected once it has expired.
    let token = server.oauth_token("ada").claim("exp", seconds(60)).mint();
    assert_eq!(server.with_token(&token).await.status, 200);
    server.clock.set(start_time() + (60 + leeway).seconds());
    assert_eq!(server.with_token(&token).await.json()["error"], "token_expired");
}
