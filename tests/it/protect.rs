//! Tests of custom endpoints behind the same authentication as `/mcp`.

use std::sync::Arc;

use clerk_mcp::{app::App, session::Session};
use poem::{handler, http::HeaderMap, web::Data};
use reqwest::Method;

use crate::support::{Exchange, TestServer, server::config};

/// A custom endpoint that returns the caller's subject and the `Authorization` header it received.
#[handler]
fn me(Data(session): Data<&Arc<Session>>, headers: &HeaderMap) -> String {
    format!("{} {:?}", session.subject, headers.get("authorization"))
}

#[tokio::test]
async fn custom_endpoint_is_protected_like_mcp() {
    for (base_url, prefix) in [
        ("https://mcp.example.com", ""),
        ("https://mcp.example.com/tenant", "/tenant"),
    ] {
        let server = TestServer::builder()
            .set("BASE_URL", base_url)
            .protect("/me", me)
            .spawn()
            .await;
        let resource = format!("{base_url}/mcp");
        let token = server
            .clerk
            .oauth_token("ada", "client", &["email"], Some(&resource))
            .unwrap();
        for path in ["/me".to_owned(), format!("{prefix}/me")] {
            let rejected = server.get(&path).await;
            assert_eq!(rejected.status, 401, "{path}");
            assert!(
                rejected
                    .header("www-authenticate")
                    .unwrap()
                    .contains(&format!("oauth-protected-resource{prefix}/mcp"))
            );
            let answer = Exchange::of(server.request(Method::GET, &path).bearer_auth(token.mint())).await;
            assert_eq!(answer.status, 200, "{path}");
            assert!(
                answer.body.starts_with("user_") && answer.body.ends_with(" None"),
                "{}",
                answer.body
            );
            let foreign = server
                .request(Method::GET, &path)
                .bearer_auth(token.mint())
                .header("Origin", "https://evil.example");
            assert_eq!(Exchange::of(foreign).await.status, 403, "{path}");
        }
    }
}

#[test]
fn path_that_is_taken_or_invalid_cannot_be_protected() {
    let values = [
        ("CLERK_SECRET_KEY", "sk_test_x"),
        ("CLERK_DOMAIN", "great-fox-12.clerk.accounts.dev"),
        ("BASE_URL", "http://localhost:3001"),
    ];
    let config = config(&values.map(|(name, value)| (name, value.to_owned())).into()).unwrap();
    let below = values.map(|(name, value)| {
        let value = if name == "BASE_URL" {
            "http://localhost:3001/base/path"
        } else {
            value
        };
        (name, value.to_owned())
    });
    let below = crate::support::server::config(&below.into()).unwrap();
    for (config, path) in [
        (&config, "/mcp"),
        (&config, "/"),
        (&config, "/healthz"),
        (&config, "/docs/"),
        (&config, "/.well-known"),
        (&config, "/.well-known/own"),
        (&config, "me"),
        (&config, "/a/:b"),
        (&config, "/a/*"),
        (&below, "/base"),
        (&below, "/base/path"),
        (&below, "/base/path/docs"),
        (&below, "/docs"),
    ] {
        let error = App::builder(config)
            .protect(path, me)
            .build()
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("cannot add a route at"), "{path}: {error}");
    }
}

/// An endpoint with a bug.
#[handler]
fn broken() -> String {
    panic!("expected by this test, with a secret in the message")
}

#[tokio::test]
async fn a_panic_in_an_endpoint_gets_500() {
    let server = TestServer::builder().protect("/broken", broken).spawn().await;
    let token = server.oauth_token("ada").mint();
    let answer = Exchange::of(server.request(Method::GET, "/broken").bearer_auth(token)).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.body),
        (
            500,
            r#"{"error":"server_error","error_description":"The request could not be processed"}"#
        )
    );
    assert_eq!(server.get("/healthz").await.status, 200);
}
