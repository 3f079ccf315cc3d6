//! What is posted to `/mcp` and is no message, or not one that may be passed on: JSON-RPC 2.0 §5.1, in its words and codes.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Exchange, McpClient, TestServer, modern};

/// A request with `body`, as it stands.
fn post(server: &TestServer, token: &str, body: impl Into<String>) -> RequestBuilder {
    server
        .request(Method::POST, "/mcp")
        .bearer_auth(token)
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .body(body.into())
}

/// Status and code of what `body` is answered with, and the id there.
async fn refusal(server: &TestServer, token: &str, body: &str) -> (u16, Value, Value) {
    let answer = Exchange::of(post(server, token, body)).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{body:.80}");
    let json = answer.json();
    assert!(
        !json["error"]["message"].as_str().unwrap().contains("deserialize"),
        "{json}"
    );
    (
        answer.status.as_u16(),
        json["error"]["code"].clone(),
        json["id"].clone(),
    )
}

#[tokio::test]
async fn what_is_no_message_is_answered_as_json_rpc_says() {
    let server = TestServer::builder().set("MAX_BODY", "2 KiB").spawn().await;
    let token = server.oauth_token("ada").mint();
    let long = format!("\"{}\"", "x".repeat(3_000));
    for (body, status, code) in [
        ("", 400, -32700),
        ("{", 400, -32700),
        (r#"{"jsonrpc":"2.0"} x"#, 400, -32700),
        ("\u{feff}{}", 400, -32700),
        ("[]", 400, -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, 400, -32600),
        ("1", 400, -32600),
        ("null", 400, -32600),
        ("{}", 400, -32600),
        (r#"{"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"1.0","method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, 400, -32600),
        (
            r#"{"jsonrpc":"2.0","id":9223372036854775808,"method":"ping"}"#,
            400,
            -32600,
        ),
        (r#"{"jsonrpc":"2.0","id":1e400,"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","result":{}}"#, 400, -32600),
        (&long, 413, -32600),
    ] {
        assert_eq!(
            refusal(&server, &token, body).await,
            (status, json!(code), Value::Null),
            "{body:.80}"
        );
    }
}

/// Of a message that can be told from rubbish, the answer names the id: whoever sent it finds the request that was wrong.
#[tokio::test]
async fn a_message_of_the_wrong_shape_is_told_so() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"greet","arguments":{}{}}}}}"#,
        r#"{"a":"#.repeat(200),
        "1".to_owned() + &"}".repeat(200),
    );
    let wide = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"greet","arguments":{{"name":[{}]}}}}}}"#,
        vec!["[]"; 200_000].join(","),
    );
    let method = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(2_000));
    let name = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{}"}}}}"#,
        "x".repeat(2_000)
    );
    for (body, code) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","error":{"code":1,"message":"x"}}"#,
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":5}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[1]}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":5}}"#,
            -32602,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, -32602),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["greet"]}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":"x"}}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":[1]}}"#,
            -32602,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, -32600),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#, -32602),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":7}}"#,
            -32602,
        ),
        // Cut in the middle of a character that takes two escapes.
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{"name":"\ud800"}}}"#,
            -32600,
        ),
        (&deep, -32600),
        (&wide, -32600),
        (&method, -32600),
        (&name, -32602),
    ] {
        assert_eq!(
            refusal(&server, &token, body).await,
            (400, json!(code), json!(1)),
            "{body:.120}"
        );
    }
}

/// Requests that rmcp knows, but for their parameters: not methods that there aren't.
#[tokio::test]
async fn wrong_parameters_are_no_unknown_method() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    for (method, params) in [
        ("prompts/get", json!({ "name": 7 })),
        ("resources/read", json!({})),
        ("completion/complete", json!({ "ref": "x" })),
    ] {
        let legacy = Exchange::of(server.rpc(method, &params).bearer_auth(&token)).await;
        assert_eq!(
            legacy.json()["error"]["code"],
            -32602,
            "{method}: {}",
            legacy.body
        );
        let mut request = modern(&server, method, params).bearer_auth(&token);
        if method == "resources/read" {
            // SEP-2243 has the header mirror what the body should have.
            request = request.header("Mcp-Name", "x");
        }
        let modern = Exchange::of(request).await;
        assert_ne!(modern.status, 404, "{method}");
        assert!(
            [-32602, -32020].contains(&modern.json()["error"]["code"].as_i64().unwrap()),
            "{method}: {}",
            modern.body
        );
    }
    let unknown = Exchange::of(server.rpc("prompts/sing", &json!({})).bearer_auth(&token)).await;
    assert_eq!(unknown.json()["error"]["code"], -32601);
}

/// What 2026-07-28 has no more, it doesn't know, whatever its parameters (SEP-2575).
#[tokio::test]
async fn removed_methods_are_unknown() {
    for server in [
        TestServer::spawn().await,
        TestServer::builder().sessions(|_| {}).spawn().await,
    ] {
        let token = server.oauth_token("ada").mint();
        for method in [
            "initialize",
            "logging/setLevel",
            "ping",
            "resources/subscribe",
            "resources/unsubscribe",
        ] {
            let answer = Exchange::of(modern(&server, method, json!({})).bearer_auth(&token)).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["error"]["code"]),
                (404, &json!(-32601)),
                "{method}"
            );
        }
        let params = json!({
            "protocolVersion": "2026-07-28",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let answer = Exchange::of(modern(&server, "initialize", params.clone()).bearer_auth(&token)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["code"]),
            (404, &json!(-32601))
        );
        // Without a word of its revision it's an older client's, which would like 2026-07-28 and gets what it knows.
        let answer = Exchange::of(server.rpc("initialize", &params).bearer_auth(&token)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

/// JSON-RPC 2.0 §5 has it null, MCP leaves it out.
#[tokio::test]
async fn an_error_without_an_id_is_a_message() {
    let server = TestServer::builder().sessions(|_| {}).spawn().await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let mut error =
        json!({ "jsonrpc": "2.0", "error": { "code": -32700, "message": "I could not read that" } });
    assert_eq!(client.post(&token, &error).await.status(), 202);
    error["id"] = Value::Null;
    assert_eq!(client.post(&token, &error).await.status(), 202);
}

/// Which of its members it lacks, or has in another shape.
#[tokio::test]
async fn an_initialize_is_told_what_it_lacks() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    let client = json!({ "name": "test", "version": "1" });
    for (params, message) in [
        (
            json!({ "capabilities": {}, "clientInfo": client }),
            "initialize needs params.protocolVersion, a text",
        ),
        (
            json!({ "protocolVersion": "2025-11-25", "clientInfo": client }),
            "initialize needs params.capabilities, an object as MCP describes it",
        ),
        (
            json!({ "protocolVersion": "2025-11-25", "capabilities": { "roots": 7 }, "clientInfo": client }),
            "initialize needs params.capabilities, an object as MCP describes it",
        ),
        (
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test" } }),
            "initialize needs params.clientInfo, an object with name and version",
        ),
    ] {
        let answer = Exchange::of(server.rpc("initialize", &params).bearer_auth(&token)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (400, &json!({ "code": -32602, "message": message }))
        );
    }
}

/// As it was written, up to the last whole number that a double tells from the next.
#[tokio::test]
async fn an_id_comes_back_unchanged() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    for (id, back) in [
        ("9223372036854775807", json!(i64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("9007199254740991.0", json!(9_007_199_254_740_991_i64)),
        ("-9007199254740991.0", json!(-9_007_199_254_740_991_i64)),
        ("9.007199254740989e15", json!(9_007_199_254_740_989_i64)),
        (r#""\u0061\ud83d\ude00""#, json!("a\u{1f600}")),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        let answer = Exchange::of(post(&server, &token, body)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["id"]),
            (200, &back),
            "{id}"
        );
    }
}

#[tokio::test]
async fn what_rmcp_refuses_in_words_is_refused_in_json() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    for (name, value, status) in [
        ("Accept", "text/html", 406),
        ("Content-Type", "text/plain", 415),
        ("MCP-Protocol-Version", "1999-01-01", 400),
    ] {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("Accept", "application/json, text/event-stream".parse().unwrap());
        headers.insert("Content-Type", "application/json".parse().unwrap());
        headers.insert(name, value.parse().unwrap());
        let request = server
            .request(Method::POST, "/mcp")
            .bearer_auth(&token)
            .headers(headers)
            .body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        let answer = Exchange::of(request).await;
        assert_eq!(answer.status.as_u16(), status, "{name}");
        assert!(
            answer.json()["error"]["code"].is_i64(),
            "{name}: {}",
            answer.json()
        );
        assert!(!answer.json()["error"]["message"].as_str().unwrap().is_empty());
    }
}
