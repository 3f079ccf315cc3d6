//! Tests of the checks around the routes: Host, Origin and CORS, paths and methods.

use local_clerk::{Endpoint, Fault};
use reqwest::{Method, RequestBuilder, header};
use serde_json::json;

use crate::support::{Exchange, TestServer, log::CapturedLog};

/// Builds a CORS preflight request for `path` from `origin`.
fn preflight(server: &TestServer, path: &str, origin: &str) -> RequestBuilder {
    server
        .request(Method::OPTIONS, path)
        .header(header::ORIGIN, origin)
        .header(
            header::ACCESS_CONTROL_REQUEST_METHOD,
            if path == "/mcp" { "POST" } else { "GET" },
        )
        .header(
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            "authorization,content-type",
        )
}

#[tokio::test]
async fn preflight_needs_no_token() {
    let server = TestServer::spawn().await;
    let answer = Exchange::of(preflight(&server, "/mcp", "https://mcp.example.com")).await;
    insta::assert_snapshot!(answer.text(&[]), @"
    204 No Content
    access-control-allow-headers: authorization, content-type
    access-control-allow-methods: DELETE, GET, POST
    access-control-allow-origin: https://mcp.example.com
    access-control-max-age: 7200
    vary: Origin, Access-Control-Request-Headers
    ");
}

#[tokio::test]
async fn rejection_carries_cors_headers() {
    let server = TestServer::spawn().await;
    let answer = Exchange::of(server.mcp().header(header::ORIGIN, "https://mcp.example.com")).await;
    insta::assert_snapshot!(answer.text(&[]), @r#"
    401 Unauthorized
    access-control-allow-origin: https://mcp.example.com
    access-control-expose-headers: MCP-Protocol-Version, Mcp-Session-Id, Retry-After, WWW-Authenticate
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

/// Includes the outermost layers: the Host check and the request time limit.
#[tokio::test]
async fn rejection_by_an_outer_layer_carries_cors_headers() {
    let server = TestServer::builder().set("REQUEST_TIMEOUT", "1s").spawn().await;
    server.clerk.inject(Fault::Hold.at(Endpoint::Jwks));
    let request = || server.mcp().header(header::ORIGIN, "https://mcp.example.com");
    let foreign_host = Exchange::of(request().header(header::HOST, "evil.test")).await;
    let too_slow = Exchange::of(request().bearer_auth(server.oauth_token("ada").mint())).await;
    for (answer, status) in [(&foreign_host, 403), (&too_slow, 503)] {
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.header("access-control-allow-origin")
            ),
            (status, Some("https://mcp.example.com"))
        );
    }
    assert_eq!(too_slow.json()["error_description"], "The request timed out");
    assert_eq!(too_slow.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn unlisted_origin_is_rejected() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    let answer = Exchange::of(
        server
            .mcp()
            .bearer_auth(&token)
            .header(header::ORIGIN, "https://evil.test"),
    )
    .await;
    insta::assert_snapshot!(answer.text(&[]), @r#"
    403 Forbidden
    cache-control: no-store
    content-type: application/json; charset=utf-8

    {
      "error": "forbidden",
      "error_description": "Origin not allowed"
    }
    "#);
    for origin in [
        "null",
        "http://mcp.example.com",
        "https://mcp.example.com.evil.test",
        "http://localhost:3000",
    ] {
        let answer = Exchange::of(server.mcp().bearer_auth(&token).header(header::ORIGIN, origin)).await;
        assert_eq!(answer.status, 403, "{origin}");
        assert_eq!(
            Exchange::of(preflight(&server, "/mcp", origin)).await.status,
            403,
            "{origin}"
        );
    }
}

#[tokio::test]
async fn allowed_origins_replace_the_default() {
    let server = TestServer::builder()
        .set("ALLOWED_ORIGINS", "https://app.example.com, https://b.test:8443/")
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    for (origin, status) in [
        ("https://app.example.com", 200),
        ("https://b.test:8443", 200),
        ("https://mcp.example.com", 403),
    ] {
        let answer = Exchange::of(server.mcp().bearer_auth(&token).header(header::ORIGIN, origin)).await;
        assert_eq!(answer.status, status, "{origin}");
    }
}

#[tokio::test]
async fn discovery_and_health_allow_any_origin() {
    let server = TestServer::spawn().await;
    for path in [
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/healthz",
    ] {
        let request = server
            .request(Method::GET, path)
            .header(header::ORIGIN, "https://anyone.test");
        let answer = Exchange::of(request).await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.header("access-control-allow-origin")
            ),
            (200, Some("https://anyone.test"))
        );
        let preflight = Exchange::of(preflight(&server, path, "https://anyone.test")).await;
        assert_eq!(preflight.status, 204, "{path}");
    }
}

/// Pages are read by people, and the start page of a demo shows tokens, so no other site may read them.
#[tokio::test]
async fn pages_send_no_cors_headers() {
    let server = TestServer::spawn().await;
    for path in ["/", "/docs"] {
        let answer = Exchange::of(
            server
                .request(Method::GET, path)
                .header(header::ORIGIN, "https://evil.test"),
        )
        .await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.header("access-control-allow-origin")
            ),
            (200, None),
            "{path}"
        );
    }
}

#[tokio::test]
async fn preflight_allows_only_the_headers_that_mcp_needs() {
    let server = TestServer::spawn().await;
    let request = server
        .request(Method::OPTIONS, "/mcp")
        .header(header::ORIGIN, "https://mcp.example.com")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            "Mcp-Param-Region, x-evil, authorization",
        );
    let answer = Exchange::of(request).await;
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("authorization, mcp-param-region")
    );
}

#[tokio::test]
async fn foreign_host_is_rejected() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    let with_host = |host: &str| server.mcp().bearer_auth(&token).header(header::HOST, host);
    insta::assert_snapshot!(Exchange::of(with_host("evil.test")).await.text(&[]), @r#"
    403 Forbidden
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "error": "forbidden",
      "error_description": "Host not allowed"
    }
    "#);
    for host in [
        "mcp.example.com.evil.test",
        "mcp.example.com:8443",
        "127.0.0.1.evil.test",
    ] {
        assert_eq!(Exchange::of(with_host(host)).await.status, 403, "{host}");
    }
    for host in ["user@mcp.example.com", "localhost#x", "/localhost", "localhost/x"] {
        assert_eq!(Exchange::of(with_host(host)).await.status, 400, "{host}");
    }
    for host in ["mcp.example.com", "MCP.EXAMPLE.COM:443", "localhost:1", "[::1]"] {
        assert_eq!(Exchange::of(with_host(host)).await.status, 200, "{host}");
    }
    let probe = server
        .request(Method::GET, "/healthz")
        .header(header::HOST, "10.0.0.7:3001");
    assert_eq!(Exchange::of(probe).await.status, 200);
}

/// RFC 9112 §3.2.
#[tokio::test]
async fn missing_or_repeated_host_is_a_bad_request() {
    let server = TestServer::spawn().await;
    for (version, target, hosts, status) in [
        ("1.1", "/", "", 400),
        ("1.1", "http://localhost/", "", 400),
        ("1.0", "/", "", 400),
        ("1.0", "http://localhost/", "", 200),
        ("1.1", "/", "Host: localhost\r\nHost: localhost\r\n", 400),
        ("1.1", "/", "Host: localhost\r\nHost: evil.test\r\n", 400),
        ("1.1", "/", "Host:\r\n", 400),
        ("1.1", "/", "Host: localhost\r\n", 200),
        // Old health checks of load balancers send none.
        ("1.1", "/healthz", "", 200),
    ] {
        let head = format!("GET {target} HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n");
        let answer = raw(&server, head.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/{version} {status}")),
            "{head}{answer}"
        );
    }
}

/// The log tells an operator which variable to change.
#[tokio::test]
async fn rejected_host_and_origin_are_logged_with_the_variable_to_set() {
    let server = TestServer::spawn().await;
    let log = CapturedLog::start();
    let long = format!("{}.test", "a".repeat(300));
    for host in ["mcp.internal", &long] {
        Exchange::of(server.mcp().header(header::HOST, host)).await;
    }
    let origin = header::HeaderValue::from_bytes(b"https://\xfftest").unwrap();
    Exchange::of(server.mcp().header(header::ORIGIN, origin)).await;
    let events = log.events("clerk_mcp::http::errors");
    let field = |name: &str| -> Vec<_> {
        let values = events.iter().filter_map(|event| event[name].as_str());
        values.map(str::to_owned).collect()
    };
    let hosts = field("host");
    assert_eq!(hosts[0], "mcp.internal");
    assert_eq!(hosts[1].len(), 100, "{hosts:?}");
    assert_eq!(field("origin"), ["https://\\xfftest"]);
    let messages = field("message");
    assert!(messages[0].contains("BASE_URL"), "{messages:?}");
    assert!(messages[2].contains("ALLOWED_ORIGINS"), "{messages:?}");
}

/// RFC 9110 §12.5.1: a client without the header, or with `*/*`, accepts every type.
#[tokio::test]
async fn client_that_accepts_every_type_gets_json() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    for method in ["tools/list", "tools/call"] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "name": "whoami" } });
        let answer = async |accept: Option<&str>| {
            let accept = accept
                .map(|accept| format!("Accept: {accept}\r\n"))
                .unwrap_or_default();
            let body = body.to_string();
            let request = format!(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: \
                 application/json\r\n{accept}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len(),
            );
            raw(&server, request.as_bytes()).await
        };
        for accept in [
            None,
            Some("*/*"),
            Some("application/*, text/*;q=0.1"),
            Some("Application/JSON;q=1, Text/Event-Stream"),
            Some("application/json\r\nAccept: text/event-stream"),
            Some("text/html, */*;q=0.8"),
        ] {
            let answer = answer(accept).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{accept:?}: {answer}");
            assert!(
                answer.contains("content-type: application/json"),
                "{accept:?}: {answer}"
            );
        }
        for accept in [
            "application/json",
            "text/event-stream",
            "application/*",
            "*/*, text/event-stream;q=0",
            "application/json, text/*;q=0.0",
            "text/html",
        ] {
            let answer = answer(Some(accept)).await;
            assert!(answer.starts_with("HTTP/1.1 406"), "{accept}: {answer}");
            assert!(
                answer.contains("name both, or send */* or no Accept header"),
                "{accept}: {answer}"
            );
        }
    }
}

/// Sends these bytes and returns everything that the server sends.
async fn raw(server: &TestServer, request: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn unknown_path_gets_404_and_unsupported_method_gets_405() {
    let server = TestServer::spawn().await;
    insta::assert_snapshot!(server.get("/nothing").await.text(&[]), @r#"
    404 Not Found
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "error": "not_found",
      "error_description": "Not found; see /docs for the available routes"
    }
    "#);
    insta::assert_snapshot!(Exchange::of(server.request(Method::POST, "/healthz")).await.text(&[]), @r#"
    405 Method Not Allowed
    allow: GET, HEAD, OPTIONS
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "error": "method_not_allowed",
      "error_description": "Method not allowed"
    }
    "#);
    let token = server.oauth_token("ada").mint();
    let get = server
        .request(Method::GET, "/mcp")
        .header("Accept", "text/event-stream")
        .bearer_auth(&token);
    let answer = Exchange::of(get).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, Some("POST"))
    );
    assert_eq!(
        Exchange::of(server.request(Method::HEAD, "/healthz"))
            .await
            .status,
        200
    );
}

/// The base URL is the most likely wrong URL in the configuration of a client.
#[tokio::test]
async fn mcp_message_to_the_start_page_is_told_the_mcp_endpoint() {
    let server = TestServer::spawn().await;
    let request = server.request(Method::POST, "/").body("{}");
    insta::assert_snapshot!(Exchange::of(request).await.text(&[]), @r#"
    405 Method Not Allowed
    allow: GET, HEAD, OPTIONS
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "error": "method_not_allowed",
      "error_description": "The MCP endpoint is https://mcp.example.com/mcp. Send MCP messages to that URL."
    }
    "#);
    let server = TestServer::builder()
        .set("BASE_URL", "https://example.com/tools")
        .spawn()
        .await;
    for path in ["/", "/tools", "/tools/"] {
        let answer = Exchange::of(server.request(Method::POST, path)).await;
        assert_eq!(answer.status, 405, "{path}");
        assert!(
            answer.body.contains("https://example.com/tools/mcp"),
            "{path}: {}",
            answer.body
        );
    }
}

/// A person who opens the endpoint gets a page. Status and challenge are the same as for other clients.
#[tokio::test]
async fn browser_at_the_mcp_endpoint_gets_a_page_that_links_to_the_start_page() {
    let server = TestServer::spawn().await;
    let get = |accept: &str| Exchange::of(server.request(Method::GET, "/mcp").header("Accept", accept));
    let page = get("text/html,application/xhtml+xml,*/*;q=0.8").await;
    let other = get("application/json, text/event-stream").await;
    assert_eq!((page.status.as_u16(), other.status.as_u16()), (401, 401));
    for header in ["www-authenticate", "cache-control", "vary"] {
        assert_eq!(page.header(header), other.header(header), "{header}");
    }
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let (_, main) = page.body.split_once("<main>").unwrap();
    insta::assert_snapshot!(main, @r#"
    <h1>This is an MCP endpoint</h1>
    <p>MCP clients connect to this URL and sign in. A browser cannot use it.</p>
    <p><a href="https://mcp.example.com/">The start page</a> says how to connect a client.</p>
    </main>
    </body>
    </html>
    "#);
    assert_eq!(other.json()["error"], "unauthorized");
}

/// No spelling of the path bypasses authentication: each is rejected or unknown.
#[tokio::test]
async fn path_variants_do_not_bypass_authentication() {
    let server = TestServer::spawn().await;
    for path in [
        "//mcp",
        "/mcp/../mcp",
        "/%6dcp",
        "/MCP",
        "/mcp;x",
        "/mcp%2f",
        "/mcp/",
        "/mcp/x",
        "/mcp//",
        "/./mcp",
        "/mcp?x=/healthz",
        "/healthz/../mcp",
        "/.well-known/oauth-protected-resource/../../mcp",
        "/mcp%00",
        "/mcp\\",
        "/mcp.",
        "/docs/mcp",
        "/mcp#x",
    ] {
        let answer = status_of_raw_request(&server, path).await;
        assert!(matches!(answer, 400 | 401 | 404 | 405), "{path}: {answer}");
    }
}

/// RFC 9112 §3.2.2: the host of an absolute-form target overrides the Host header.
#[tokio::test]
async fn absolute_form_target_with_a_foreign_host_is_rejected() {
    let server = TestServer::spawn().await;
    for (target, status) in [
        ("http://evil.test/mcp", 403),
        ("http://localhost:1@evil.test/mcp", 400),
        ("http://localhost:1/mcp", 401),
        ("http://mcp.example.com:443/mcp", 401),
    ] {
        assert_eq!(status_of_raw_request(&server, target).await, status, "{target}");
    }
}

/// Sends `tools/list` to exactly this request target, which a URL library would normalize, and returns the
/// status.
async fn status_of_raw_request(server: &TestServer, path: &str) -> u16 {
    let address = server.url.strip_prefix("http://").unwrap();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAccept: application/json, \
         text/event-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len(),
    );
    raw(server, request.as_bytes())
        .await
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{path}: no status"))
}
