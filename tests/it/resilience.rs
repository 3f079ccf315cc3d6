//! Tests that the server keeps answering under malformed requests, a silent Clerk and concurrent load.

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Exchange, TestServer};

/// Returns malformed requests that no client library would send, with errors in each part of a request.
fn bad_requests(address: &str, token: &str) -> Vec<Vec<u8>> {
    let post = |headers: &str, body: &[u8]| {
        let length = body.len();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAccept: application/json, \
             text/event-stream\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let deep = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{}1{}}}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    vec![
        b"\x00\x01\x02\x03\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish that is no frame at all".to_vec(),
        b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        format!("GET /{} HTTP/1.1\r\nHost: {address}\r\n\r\n", "a".repeat(100_000)).into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: {address}\r\nX: {}\r\n\r\n", "a".repeat(200_000)).into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: {address}\r\n{}\r\n", "X: y\r\n".repeat(500)).into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: {address}\r\nHost: {address}\r\n\r\n").into_bytes(),
        format!("POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer \u{fffd}\r\nContent-Length: 0\r\n\r\n").into_bytes(),
        format!("POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(20_000)).into_bytes(),
        format!("POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Length: -1\r\n\r\n").into_bytes(),
        format!("POST /mcp HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").into_bytes(),
        format!("OPTIONS /mcp HTTP/1.1\r\nHost: {address}\r\nOrigin: \u{fffd}\r\n\r\n").into_bytes(),
        format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes(),
        post("", b""),
        post("", b"null"),
        post("", b"[]"),
        post("", b"{"),
        post("", b"\xff\xfe"),
        post("", br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#),
        post("", br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#),
        post("", br#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#),
        post("", br#"{"jsonrpc":"2.0","id":1,"method":1}"#),
        post("", br#"{"jsonrpc":"2.0","id":1,"method":"no/such/method"}"#),
        post("", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}}"#),
        post("", br#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
        post("", deep.as_bytes()),
        post("MCP-Protocol-Version: 1999-01-01\r\n", br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
        post("Mcp-Session-Id: stolen\r\n", br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
        post("Authorization: Bearer again\r\n", b"{}"),
    ]
}

#[tokio::test]
async fn server_keeps_answering_after_a_thousand_bad_requests() {
    let server = TestServer::spawn().await;
    let address = server.url.strip_prefix("http://").unwrap();
    let token = server.oauth_token("ada").mint();
    let requests = bad_requests(address, &token);
    for round in 0..=1_000 / requests.len() {
        for (kind, request) in requests.iter().enumerate() {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // The server may reject the request and close before everything is sent.
            let _ = stream.write_all(request).await;
            let mut answer = [0; 64];
            let length = stream.read(&mut answer).await.unwrap_or(0);
            let answer = String::from_utf8_lossy(&answer[..length]);
            assert!(
                length > 0,
                "round {round}, kind {kind}: the connection was closed without a response"
            );
            assert!(
                !answer.starts_with("HTTP/1.1 5"),
                "round {round}, kind {kind}: {answer}"
            );
        }
    }
    let answer = server.call(&token, "greet", json!({ "name": "still" })).await;
    assert!(
        answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .starts_with("Hello, still!"),
        "{answer}"
    );
}

#[tokio::test]
async fn request_over_the_time_limit_gets_503() {
    // This Clerk accepts connections but never answers. Verification waits for the keys, and the request's
    // time limit is shorter than the limit of the key fetch.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let server = TestServer::builder()
        .set("CLERK_FRONTEND_API_URL", url)
        .set("REQUEST_TIMEOUT", "1s")
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    let answer = server.with_token(&token).await;
    insta::assert_snapshot!(answer.text(&[]), @r#"
    503 Service Unavailable
    cache-control: no-store
    content-type: application/json; charset=utf-8
    retry-after: 5
    vary: Origin

    {
      "error": "temporarily_unavailable",
      "error_description": "The request timed out"
    }
    "#);
}

#[tokio::test]
async fn concurrent_callers_get_their_own_results() {
    let server = TestServer::spawn().await;
    let users = server.clerk.sample_users();
    let tokens: Vec<_> = users
        .iter()
        .map(|user| server.oauth_token(&user.id).mint())
        .collect();
    let calls = (0..300).map(|number| {
        let (user, token) = (&users[number % users.len()], &tokens[number % users.len()]);
        let server = &server;
        async move {
            let answer = server
                .call(token, "greet", json!({ "name": number.to_string() }))
                .await;
            let expected = format!("Hello, {number}! Your Clerk user ID is {}", user.id);
            assert_eq!(answer["result"]["content"][0]["text"], expected);
        }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(
        Exchange::of(server.request(Method::GET, "/healthz")).await.status,
        StatusCode::OK
    );
}
