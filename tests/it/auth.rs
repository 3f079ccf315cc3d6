//! The refusals: every row of the table as a whole response, and which token gets which row.

use jiff::ToSpan;
use reqwest::{Method, header::AUTHORIZATION};
use serde_json::json;

use crate::support::{
    Exchange, TestServer,
    server::{RESOURCE, foreign_key},
    start_time,
};

fn seconds(offset: i64) -> i64 {
    start_time().as_second() + offset
}

#[tokio::test]
async fn no_token() {
    let server = TestServer::spawn().await;
    insta::assert_snapshot!(Exchange::of(server.mcp()).await.text(&[]), @r#"
    401 Unauthorized
    cache-control: no-store
    content-length: [length]
    content-type: application/json; charset=utf-8
    date: [date]
    vary: Origin
    www-authenticate: Bearer scope="profile email", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
    x-content-type-options: nosniff
    x-request-id: [uuid]

    {
      "error": "unauthorized",
      "error_description": "Missing or invalid bearer token"
    }
    "#);
}

#[tokio::test]
async fn another_scheme_and_what_is_no_token_are_answered_as_no_token() {
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
    // RFC 6750 §2.2 and §2.3: not supported, so not even noticed.
    let token = server.oauth_token("ada").mint();
    let query = server.request(Method::POST, &format!("/mcp?access_token={token}"));
    assert_eq!(Exchange::of(query.body("{}")).await.text(&[]), none);
}

#[tokio::test]
async fn more_than_one_credential() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    let twice = server
        .mcp()
        .bearer_auth(&token)
        .header(AUTHORIZATION, format!("Bearer {token}"));
    insta::assert_snapshot!(Exchange::of(twice).await.text(&[]), @r#"
    400 Bad Request
    cache-control: no-store
    content-length: [length]
    content-type: application/json; charset=utf-8
    date: [date]
    vary: Origin
    www-authenticate: Bearer error="invalid_request", error_description="Exactly one bearer token is expected", scope="profile email", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
    x-content-type-options: nosniff
    x-request-id: [uuid]

    {
      "error": "invalid_request",
      "error_description": "Exactly one bearer token is expected"
    }
    "#);
}

#[tokio::test]
async fn expired_token() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").claim("exp", seconds(-3600)).mint();
    insta::assert_snapshot!(server.with_token(&token).await.text(&[]), @r#"
    401 Unauthorized
    cache-control: no-store
    content-length: [length]
    content-type: application/json; charset=utf-8
    date: [date]
    vary: Origin
    www-authenticate: Bearer error="invalid_token", error_description="Token has expired", scope="profile email", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
    x-content-type-options: nosniff
    x-request-id: [uuid]

    {
      "error": "token_expired",
      "error_description": "Token has expired"
    }
    "#);
}

#[tokio::test]
async fn invalid_token() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").signed_by(&foreign_key()).mint();
    insta::assert_snapshot!(server.with_token(&token).await.text(&[]), @r#"
    401 Unauthorized
    cache-control: no-store
    content-length: [length]
    content-type: application/json; charset=utf-8
    date: [date]
    vary: Origin
    www-authenticate: Bearer error="invalid_token", error_description="Token verification failed", scope="profile email", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
    x-content-type-options: nosniff
    x-request-id: [uuid]

    {
      "error": "invalid_token",
      "error_description": "Token verification failed"
    }
    "#);
}

#[tokio::test]
async fn missing_scope() {
    let server = TestServer::builder()
        .set("REQUIRED_SCOPES", "profile,billing:read,billing:write")
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    insta::assert_snapshot!(server.with_token(&token).await.text(&[]), @r#"
    403 Forbidden
    cache-control: no-store
    content-length: [length]
    content-type: application/json; charset=utf-8
    date: [date]
    vary: Origin
    www-authenticate: Bearer error="insufficient_scope", error_description="Required scopes: profile billing:read billing:write", scope="profile billing:read billing:write", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
    x-content-type-options: nosniff
    x-request-id: [uuid]

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
    // Session tokens have no scopes, whatever a custom claim says.
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
async fn clerk_away() {
    let server = TestServer::builder()
        .set("CLERK_FRONTEND_API_URL", "http://127.0.0.1:9")
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    insta::assert_snapshot!(server.with_token(&token).await.text(&[]), @r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: [length]
    content-type: application/json; charset=utf-8
    date: [date]
    retry-after: 5
    vary: Origin
    x-content-type-options: nosniff
    x-request-id: [uuid]

    {
      "error": "temporarily_unavailable",
      "error_description": "Authentication service unavailable"
    }
    "#);
}

#[tokio::test]
async fn right_tokens_pass() {
    let server = TestServer::spawn().await;
    let session = || server.session_token("ada");
    let oauth = || server.oauth_token("ada");
    for (what, recipe) in [
        ("session token", session()),
        ("v1 session token", server.clerk.session_token_v1("ada").unwrap()),
        (
            "session token that names us",
            session().claim("aud", json!(["x", "https://MCP.example.com/"])),
        ),
        (
            "session token of any class",
            session().header("cat", "cl_I7d4PD111III"),
        ),
        ("session token without a class", session().without_header("cat")),
        (
            "session token without iat and nbf",
            session().without_claim("iat").without_claim("nbf"),
        ),
        ("access token", oauth()),
        (
            "access token of the long type",
            oauth().header("typ", "application/at+jwt"),
        ),
        (
            "access token for the base URL",
            oauth().claim("aud", "https://mcp.example.com"),
        ),
        (
            "access token for several",
            oauth().claim("aud", json!(["https://a.test", "https://mcp.example.com/mcp/"])),
        ),
        (
            "header members that nobody asked for",
            oauth().header("jku", "https://evil.test").header("oiat", 1),
        ),
    ] {
        assert_eq!(server.status_of(recipe).await, 200, "{what}");
    }
}

#[tokio::test]
async fn audience_policies() {
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

#[tokio::test]
async fn authorized_parties() {
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
    // Access tokens have no azp: their audience is what binds them.
    assert_eq!(server.status_of(server.oauth_token("ada")).await, 200);
}

#[tokio::test]
async fn only_accepted_kinds() {
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
async fn a_fixed_key_needs_no_key_set() {
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

/// The bounds are seconds wide: exactly at them, acceptance turns.
#[tokio::test]
async fn time_bounds() {
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
    // The server's clock decides, at the time of each request.
    let token = server.oauth_token("ada").claim("exp", seconds(60)).mint();
    assert_eq!(server.with_token(&token).await.status, 200);
    server.clock.set(start_time() + (60 + leeway).seconds());
    assert_eq!(server.with_token(&token).await.json()["error"], "token_expired");
}
