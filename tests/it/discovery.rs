//! Tests of the public routes: discovery metadata, health, readiness and the start page.

use clerk_mcp::policy::{Requirement, ToolPolicy};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Exchange, TestServer, server::RESOURCE};

#[tokio::test]
async fn protected_resource_metadata_describes_the_server() {
    let server = TestServer::builder()
        .set("DOCS_URL", "https://docs.example.com/mcp")
        .spawn()
        .await;
    let issuer = server.clerk.issuer();
    let redacted = [(issuer, "[issuer]")];
    insta::assert_snapshot!(server.get("/.well-known/oauth-protected-resource").await.text(&redacted), @r#"
    200 OK
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "resource": "https://mcp.example.com",
      "authorization_servers": [
        "[issuer]"
      ],
      "bearer_methods_supported": [
        "header"
      ],
      "scopes_supported": [
        "profile",
        "email"
      ],
      "resource_name": "Clerk MCP server",
      "resource_documentation": "https://docs.example.com/mcp"
    }
    "#);
    let mcp_metadata = server.get("/.well-known/oauth-protected-resource/mcp").await;
    assert_eq!(mcp_metadata.json()["resource"], "https://mcp.example.com/mcp");
    // Clients that were configured with the URL `…/mcp/` request this.
    let slash = server.get("/.well-known/oauth-protected-resource/mcp/").await;
    assert_eq!(slash.json(), mcp_metadata.json());
    let slash = server.get("/.well-known/oauth-authorization-server/mcp/").await;
    assert_eq!(slash.json()["issuer"], server.clerk.issuer());
}

/// RFC 9728 §3.3: `resource` must equal the identifier from which the client built the metadata URL.
#[tokio::test]
async fn well_known_segment_precedes_the_base_url_path() {
    let server = TestServer::builder()
        .set("BASE_URL", "https://example.com/tools/clerk/")
        .spawn()
        .await;
    let rejected = Exchange::of(server.request(Method::POST, "/tools/clerk/mcp").body("{}")).await;
    assert_eq!(rejected.status, 401);
    let challenge = rejected.header("www-authenticate").unwrap();
    let metadata = "https://example.com/.well-known/oauth-protected-resource/tools/clerk/mcp";
    assert!(
        challenge.ends_with(&format!("resource_metadata=\"{metadata}\"")),
        "{challenge}"
    );
    for (path, resource) in [
        (
            "/.well-known/oauth-protected-resource/tools/clerk/mcp",
            "https://example.com/tools/clerk/mcp",
        ),
        (
            "/.well-known/oauth-protected-resource/tools/clerk/mcp/",
            "https://example.com/tools/clerk/mcp",
        ),
        (
            "/.well-known/oauth-protected-resource/tools/clerk",
            "https://example.com/tools/clerk",
        ),
    ] {
        assert_eq!(server.get(path).await.json()["resource"], resource, "{path}");
    }
    assert_eq!(
        server
            .get("/.well-known/oauth-authorization-server/tools/clerk/mcp")
            .await
            .json()["issuer"],
        server.clerk.issuer()
    );
    // A proxy that strips the path prefix reaches the same routes.
    assert_eq!(Exchange::of(server.mcp()).await.status, 401);
    assert_eq!(server.get("/tools/clerk/healthz").await.status, 200);
}

#[tokio::test]
async fn authorization_server_metadata_mirrors_clerk() {
    let server = TestServer::spawn().await;
    let clerk = server.clerk.issuer();
    for (path, clerk_path) in [
        (
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server",
        ),
        (
            "/.well-known/oauth-authorization-server/mcp",
            "/.well-known/oauth-authorization-server",
        ),
        (
            "/.well-known/openid-configuration",
            "/.well-known/openid-configuration",
        ),
    ] {
        let original: Value = crate::support::get(format!("{clerk}{clerk_path}"))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(server.get(path).await.json(), original, "{path}");
    }
}

#[tokio::test]
async fn metadata_falls_back_to_clerks_fixed_endpoints_when_clerk_is_unreachable() {
    let server = TestServer::builder()
        .set("CLERK_FRONTEND_API_URL", "http://127.0.0.1:9")
        .spawn()
        .await;
    insta::assert_snapshot!(server.get("/.well-known/oauth-authorization-server").await.text(&[]), @r#"
    200 OK
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "issuer": "http://127.0.0.1:9",
      "authorization_endpoint": "http://127.0.0.1:9/oauth/authorize",
      "token_endpoint": "http://127.0.0.1:9/oauth/token",
      "revocation_endpoint": "http://127.0.0.1:9/oauth/token/revoke",
      "jwks_uri": "http://127.0.0.1:9/.well-known/jwks.json",
      "response_types_supported": [
        "code"
      ],
      "grant_types_supported": [
        "authorization_code",
        "refresh_token"
      ],
      "token_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "none",
        "client_secret_post"
      ],
      "scopes_supported": [
        "openid",
        "profile",
        "email",
        "public_metadata",
        "private_metadata",
        "offline_access"
      ],
      "subject_types_supported": [
        "public"
      ],
      "id_token_signing_alg_values_supported": [
        "RS256"
      ],
      "claims_supported": [
        "sub",
        "iss",
        "aud",
        "exp",
        "iat",
        "email",
        "name"
      ],
      "code_challenge_methods_supported": [
        "S256"
      ]
    }
    "#);
    let openid = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(openid["userinfo_endpoint"], "http://127.0.0.1:9/oauth/userinfo");
}

#[tokio::test]
async fn metadata_with_a_foreign_issuer_is_not_mirrored() {
    let clerk = wiremock::MockServer::start().await;
    let document =
        serde_json::json!({ "issuer": "https://evil.test", "token_endpoint": "https://evil.test/token" });
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(wiremock::ResponseTemplate::new(200).set_body_json(document))
        .mount(&clerk)
        .await;
    let server = TestServer::builder()
        .set("CLERK_FRONTEND_API_URL", clerk.uri())
        .spawn()
        .await;
    let mirrored = server.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(mirrored["token_endpoint"], format!("{}/oauth/token", clerk.uri()));
}

/// Behind a proxy or in a container network, the server may reach the Frontend API at another URL than
/// clients do.
#[tokio::test]
async fn issuer_can_differ_from_the_frontend_api_url() {
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};
    let (inside, issuer) = (MockServer::start().await, "https://clerk.public.test");
    let keys = json!({ "keys": [crate::support::server::signing_key().jwk()] });
    for (route, body) in [
        ("/.well-known/jwks.json", keys),
        (
            "/.well-known/oauth-authorization-server",
            json!({ "issuer": issuer, "marker": "Clerk's own" }),
        ),
    ] {
        Mock::given(path(route))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&inside)
            .await;
    }
    let server = TestServer::builder()
        .set("CLERK_FRONTEND_API_URL", inside.uri())
        .set("CLERK_ISSUER", issuer)
        .set("CLERK_SECRET_KEY", "sk_live_1")
        .spawn()
        .await;
    let mirrored = server.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(mirrored["marker"], "Clerk's own");
    let resource = server
        .get("/.well-known/oauth-protected-resource/mcp")
        .await
        .json();
    assert_eq!(resource["authorization_servers"], json!([issuer]));
    let token = server.oauth_token("ada");
    assert_eq!(server.status_of(token.clone().claim("iss", issuer)).await, 200);
    assert_eq!(server.status_of(token.claim("iss", inside.uri())).await, 401);
}

#[tokio::test]
async fn stale_metadata_is_served_while_clerk_is_unreachable() {
    let clerk = wiremock::MockServer::start().await;
    let document = serde_json::json!({ "issuer": clerk.uri(), "marker": "Clerk's own" });
    let mock = wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(
            wiremock::ResponseTemplate::new(200)
                .set_body_json(document)
                .insert_header("cache-control", "max-age=60"),
        )
        .mount_as_scoped(&clerk)
        .await;
    let server = TestServer::builder()
        .set("CLERK_FRONTEND_API_URL", clerk.uri())
        .spawn()
        .await;
    let path = "/.well-known/oauth-authorization-server";
    for _ in 0..10 {
        assert_eq!(server.get(path).await.json()["marker"], "Clerk's own");
    }
    assert_eq!(mock.received_requests().await.len(), 1);
    drop(mock);
    server.clock.advance(std::time::Duration::from_mins(10));
    assert_eq!(server.get(path).await.json()["marker"], "Clerk's own");
}

/// A load balancer must see that the server is stopping while the server still answers requests.
#[tokio::test]
async fn readyz_reports_draining_during_shutdown() {
    let mut server = TestServer::builder()
        .set("HOST", "0.0.0.0")
        .with_background()
        .spawn()
        .await;
    server.begin_stop();
    let answer = loop {
        let answer = server.get("/readyz").await.json();
        if answer["shutdown"] != "no" {
            break answer;
        }
    };
    assert_eq!(
        (&answer["status"], &answer["shutdown"]),
        (&json!("not ready"), &json!("draining"))
    );
}

#[tokio::test]
async fn readyz_fails_until_keys_are_fetched_and_healthz_always_succeeds() {
    let server = TestServer::spawn().await;
    insta::assert_snapshot!(server.get("/healthz").await.text(&[]), @r#"
    200 OK
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "status": "alive"
    }
    "#);
    insta::assert_snapshot!(server.get("/readyz").await.text(&[]), @r#"
    503 Service Unavailable
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "status": "not ready",
      "keys": "none: Clerk's key set is not available",
      "secretKey": "good",
      "shutdown": "no"
    }
    "#);
    // The first request fetches the keys.
    assert_eq!(server.status_of(server.oauth_token("ada")).await, 200);
    insta::assert_snapshot!(server.get("/readyz").await.text(&[]), @r#"
    200 OK
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "status": "ready",
      "keys": "held",
      "secretKey": "good",
      "shutdown": "no"
    }
    "#);
}

#[tokio::test]
async fn start_page_is_served_as_html_and_as_json() {
    let server = TestServer::spawn().await;
    let page = server.get("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; img-src data:; style-src 'sha256-"),
        "{policy}"
    );
    assert!(page.body.contains("https://mcp.example.com/mcp"));
    // The page loads no external resources; its only URLs are links.
    assert!(!page.body.contains("src=") && !page.body.contains("@import"));
    let json = Exchange::of(
        server
            .request(Method::GET, "/")
            .header("Accept", "application/json"),
    )
    .await;
    insta::assert_snapshot!(json.text(&[(server.clerk.issuer(), "[issuer]"), (env!("CARGO_PKG_VERSION"), "[version]")]), @r#"
    200 OK
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "name": "Clerk MCP server",
      "version": "[version]",
      "mcpEndpoint": "https://mcp.example.com/mcp",
      "authorizationServer": "[issuer]",
      "resourceMetadata": "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
      "documentation": "https://mcp.example.com/docs"
    }
    "#);
}

/// A client that requests exactly the scopes of the 401 must be accepted. Otherwise it signs in again forever,
/// or reports that it was rejected after asking for more scopes.
#[tokio::test]
async fn challenge_metadata_and_start_page_name_the_required_scopes_too() {
    let server = TestServer::builder()
        .set("SCOPES", "email")
        .set("REQUIRED_SCOPES", "reports:read,email")
        .spawn()
        .await;
    let answer = Exchange::of(server.mcp()).await;
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains(r#"scope="email reports:read""#), "{challenge}");
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
    ] {
        let metadata = server.get(path).await.json();
        assert_eq!(
            metadata["scopes_supported"],
            json!(["email", "reports:read"]),
            "{path}"
        );
    }
    let page = Exchange::of(server.request(Method::GET, "/").header("Accept", "text/html")).await;
    assert!(page.body.contains("<code>reports:read</code>"), "{}", page.body);
    let scopes = ["email", "reports:read"];
    let token = server.clerk.oauth_token("ada", "client", &scopes, Some(RESOURCE));
    assert_eq!(server.status_of(token.unwrap()).await, 200);
}

/// The metadata names every scope that some tool needs, the 401 only those that every call needs.
#[tokio::test]
async fn metadata_names_the_scopes_of_all_tools() {
    let policy = ToolPolicy::new()
        .require("greet", Requirement::new().scopes(["greetings:read", "email"]))
        .require("whoami", Requirement::new().role("org:admin"));
    let server = TestServer::builder().policy(policy).spawn().await;
    let metadata = server
        .get("/.well-known/oauth-protected-resource/mcp")
        .await
        .json();
    assert_eq!(
        metadata["scopes_supported"],
        json!(["profile", "email", "greetings:read", "user:org:read"])
    );
    let answer = Exchange::of(server.mcp()).await;
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains(r#"scope="profile email""#), "{challenge}");
}
