//! HTTP behavior of all endpoints: paths, methods, CORS, size limits, malformed requests and the log.

use std::sync::{Arc, Mutex};

use local_clerk::Fault;
use reqwest::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{ADA, Answer, Harness, text};

#[tokio::test]
async fn unknown_paths_and_unsupported_methods_get_json_errors() {
    let harness = Harness::start().await;
    for path in [
        "/nothing",
        "/oauth",
        "/OAUTH/token",
        "/.well-known/jwks.json/x",
        "/%00",
        "/%ff%fe",
    ] {
        let answer = harness.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.json()["error"], "not_found");
    }
    for (method, path, allow) in [
        (Method::DELETE, "/.well-known/jwks.json", "GET, HEAD"),
        (Method::GET, "/oauth/token", "POST"),
        (Method::PUT, "/oauth/authorize", "GET, POST, HEAD"),
        (Method::OPTIONS, "/oauth/authorize", "GET, POST, HEAD"),
    ] {
        let answer = Answer::of(harness.http.request(method, harness.url(path))).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.header("allow"), Some(allow));
        assert_eq!(answer.json()["error"], "method_not_allowed");
    }
    let head = Answer::of(harness.http.head(harness.url("/.well-known/jwks.json"))).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
}

/// The page must stay usable while faults are active, because it switches them off.
#[tokio::test]
async fn page_at_the_root_is_self_contained_and_not_affected_by_faults() {
    let harness = Harness::start().await;
    harness.clerk.inject(Fault::Down.everywhere());
    let page = harness.get("/").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (StatusCode::OK, Some("text/html; charset=utf-8"))
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; ") && policy.contains("connect-src 'self';"),
        "{policy}"
    );
    assert!(!page.body.contains("src=") && !page.body.contains("@import"));
    assert_eq!(page.header("access-control-allow-origin"), None);
    assert_eq!(harness.clerk.requests().len(), 0);
    let post = Answer::of(harness.http.post(harness.url("/"))).await;
    assert_eq!(
        (post.status, post.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, Some("GET, HEAD"))
    );
}

#[tokio::test]
async fn cors_is_open_only_for_what_browser_clients_use() {
    let harness = Harness::start().await;
    for (path, open) in [
        ("/.well-known/jwks.json", true),
        ("/.well-known/oauth-authorization-server", true),
        ("/.well-known/openid-configuration", true),
        ("/oauth/register", true),
        ("/oauth/token", true),
        ("/oauth/token/revoke", true),
        ("/oauth/userinfo", true),
        ("/oauth/authorize", false),
        ("/oauth/authorize/decision", false),
        ("/oauth/token_info", false),
        ("/backend/v1/jwks", false),
    ] {
        let preflight = harness
            .http
            .request(Method::OPTIONS, harness.url(path))
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let answer = Answer::of(preflight).await;
        assert_eq!(answer.status == StatusCode::NO_CONTENT, open, "{path}");
        let expected = open.then_some("*");
        assert_eq!(answer.header("access-control-allow-origin"), expected, "{path}");
        let answer = Answer::of(harness.http.get(harness.url(path)).header("origin", "null")).await;
        assert_eq!(answer.header("access-control-allow-origin"), expected, "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn large_bodies_are_rejected() {
    let harness = Harness::start().await;
    for path in [
        "/oauth/token",
        "/oauth/register",
        "/oauth/authorize",
        "/oauth/authorize/decision",
    ] {
        let answer = Answer::of(
            harness
                .http
                .post(harness.url(path))
                .body("x".repeat(64 * 1024 + 1)),
        )
        .await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
}

#[tokio::test]
async fn malformed_requests_do_not_stop_the_server() {
    let harness = Harness::start().await;
    for raw in [
        "GET /oauth/authorize?client_id=%ff&redirect_uri=%00&scope=%F0%9F HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "POST /oauth/token HTTP/1.1\r\nHost: x\r\nAuthorization: Basic \u{e9}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 24\r\nConnection: close\r\n\r\ngrant_type=refresh_token",
        "POST /oauth/token HTTP/1.1\r\nHost: x\r\nAuthorization: Basic Og==\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 24\r\nConnection: close\r\n\r\ngrant_type=refresh_token",
        "POST /oauth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\nConnection: close\r\n\r\n[[[[[",
        "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nConnection: close\r\n\r\nshort",
        "GET /oauth/userinfo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ...\r\nConnection: close\r\n\r\n",
        "GET /backend/v1/users/%ff%00%2f HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(harness.clerk.domain()).await.unwrap();
        stream.write_all(raw.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // The server may reset the connection.
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.starts_with("HTTP/1.1 5"), "{raw:?}\n{answer}");
        assert_eq!(
            harness.get("/.well-known/jwks.json").await.status,
            StatusCode::OK,
            "{raw:?}"
        );
    }
}

/// Collects the log output.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn log_contains_no_secrets() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("local_clerk=trace,poem=trace")
        .with_writer(move || writer.clone())
        .finish();
    // The subscriber is global, because tracing caches per callsite whether a subscriber is interested, and
    // another thread without one could fill that cache. Log output of other tests does no harm.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let harness = Harness::opaque().await;
    let client = harness.register("client_secret_post", "openid profile").await;
    let code = harness.code(&client, &[]).await;
    let tokens = harness.redeem(&client, &code, &[]).await.json();
    let refreshed = harness
        .refresh(&client, text(&tokens, "refresh_token"), &[])
        .await
        .json();
    harness.verify(text(&tokens, "access_token")).await;
    harness.backend(&format!("/v1/users/{ADA}")).await;
    harness.redeem(&client, &code, &[]).await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("\"token\"") && log.contains("backend_user"), "{log}");
    for secret in [
        harness.clerk.secret_key(),
        &code,
        client.secret.as_deref().unwrap(),
        text(&tokens, "access_token"),
        text(&tokens, "id_token"),
        text(&tokens, "refresh_token"),
        text(&refreshed, "access_token"),
        text(&refreshed, "refresh_token"),
        crate::support::VERIFIER,
    ] {
        assert!(!log.contains(secret), "{secret}\n{log}");
    }
}
