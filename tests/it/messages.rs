//! Bodies of a POST to `/mcp` that are not valid JSON-RPC messages of MCP (JSON-RPC 2.0 §5.1).

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Exchange, McpClient, TestServer, modern};

/// Builds a request with `body`, unchanged.
fn post(server: &TestServer, token: &str, body: impl Into<String>) -> RequestBuilder {
    server
        .request(Method::POST, "/mcp")
        .bearer_auth(token)
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .body(body.into())
}

/// Returns the status, the error code and the id of the response to `body`.
async fn rejection(server: &TestServer, token: &str, body: &str) -> (u16, Value, Value) {
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
async fn a_body_that_is_not_a_message_gets_the_json_rpc_error_for_it() {
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
            rejection(&server, &token, body).await,
            (status, json!(code), Value::Null),
            "{body:.80}"
        );
    }
}

/// A parser that skips a member does not look at its bytes.
#[tokio::test]
async fn a_body_with_a_member_that_is_not_utf_8_is_not_json() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    for body in [
        &b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"greet\",\"arguments\":{\"name\":\"Ada\"}},\"x\":\"\xff\"}"[..],
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"\xff\":1}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"x\":\"\xff\"}}",
    ] {
        let answer = Exchange::of(post(&server, &token, "").body(body)).await;
        let text = String::from_utf8_lossy(body);
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]["code"]), (400, &json!(-32700)), "{text}");
    }
}

/// With the id, the client can match the error to its request.
#[tokio::test]
async fn the_error_for_an_invalid_message_has_its_id() {
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
        // Half of a surrogate pair.
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
            rejection(&server, &token, body).await,
            (400, json!(code), json!(1)),
            "{body:.120}"
        );
    }
}

/// rmcp reports a known method with invalid params as an unknown method.
#[tokio::test]
async fn invalid_params_are_not_reported_as_an_unknown_method() {
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
            // SEP-2243: the header has to repeat a value of the body.
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

/// SEP-2575.
#[tokio::test]
async fn methods_removed_in_2026_are_unknown_with_any_params() {
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
        // Without the revision in `_meta`, this is an older client's handshake, and the server negotiates a
        // revision.
        let answer = Exchange::of(server.rpc("initialize", &params).bearer_auth(&token)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

/// JSON-RPC 2.0 §5 requires an id of null, MCP leaves the id out.
#[tokio::test]
async fn an_error_response_without_an_id_is_accepted() {
    let server = TestServer::builder().sessions(|_| {}).spawn().await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let mut error =
        json!({ "jsonrpc": "2.0", "error": { "code": -32700, "message": "I could not read that" } });
    assert_eq!(client.post(&token, &error).await.status(), 202);
    error["id"] = Value::Null;
    assert_eq!(client.post(&token, &error).await.status(), 202);
}

#[tokio::test]
async fn the_error_for_an_invalid_initialize_names_the_member() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    let client = json!({ "name": "test", "version": "1" });
    for (params, message) in [
        (
            json!({ "capabilities": {}, "clientInfo": client }),
            "initialize requires params.protocolVersion, a string",
        ),
        (
            json!({ "protocolVersion": "2025-11-25", "clientInfo": client }),
            "initialize requires params.capabilities, an object as defined by MCP",
        ),
        (
            json!({ "protocolVersion": "2025-11-25", "capabilities": { "roots": 7 }, "clientInfo": client }),
            "initialize requires params.capabilities, an object as defined by MCP",
        ),
        (
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test" } }),
            "initialize requires params.clientInfo, an object with name and version",
        ),
    ] {
        let answer = Exchange::of(server.rpc("initialize", &params).bearer_auth(&token)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (400, &json!({ "code": -32602, "message": message }))
        );
    }
}

/// Integers are covered up to the largest one that a double represents exactly.
#[tokio::test]
async fn the_response_has_the_id_of_the_request() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    for (id, expected) in [
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
            (200, &expected),
            "{id}"
        );
    }
}

#[tokio::test]
async fn plain_text_errors_of_rmcp_become_json_rpc_errors() {
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
