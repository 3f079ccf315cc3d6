//! The API document and its page: they say what there is, and what really comes.

use reqwest::Method;
use serde_json::Value;

use crate::support::{Exchange, TestServer};

#[tokio::test]
async fn openapi_document_describes_every_route() {
    let server = TestServer::spawn().await;
    let document = server.get("/openapi.json").await.json();
    let paths: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for path in [
        "/",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/openid-configuration",
        "/docs",
        "/healthz",
        "/mcp",
        "/openapi.json",
        "/openapi.yaml",
        "/readyz",
    ] {
        assert!(paths.contains(&path), "{path} is not described");
        assert_ne!(
            server.get(path).await.status,
            404,
            "{path} is described, but not there"
        );
    }
    insta::assert_json_snapshot!("openapi_mcp", document["paths"]["/mcp"]);
    let yaml: Value = serde_norway::from_str(&server.get("/openapi.yaml").await.body).unwrap();
    assert_eq!(yaml, document);
}

/// Whoever reads the document sees what they would get.
#[tokio::test]
async fn examples_in_the_openapi_document_are_real_answers() {
    let server = TestServer::spawn().await;
    let document = server.get("/openapi.json").await.json();
    let operation = &document["paths"]["/mcp"]["post"];
    let body = |name: &str| {
        operation["requestBody"]["content"]["application/json"]["examples"][name]["value"].to_string()
    };
    let token = server.oauth_token("ada").mint();
    let both = "application/json, text/event-stream";
    let unnamed =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{}}}"#;
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    let nothing = ("x-nothing", "1");
    for (name, accept, kind, header, body) in [
        ("greet", both, "application/json", nothing, body("greet")),
        (
            "missing-argument",
            both,
            "application/json",
            nothing,
            unnamed.to_owned(),
        ),
        ("not-json", both, "application/json", nothing, "Ada".to_owned()),
        (
            "unknown-revision",
            both,
            "application/json",
            ("MCP-Protocol-Version", "1999-01-01"),
            body("list"),
        ),
        (
            "other-origin",
            both,
            "application/json",
            ("Origin", "https://elsewhere.test"),
            body("list"),
        ),
        (
            "one-media-type",
            "application/json",
            "application/json",
            nothing,
            body("list"),
        ),
        ("too-large", both, "application/json", nothing, large),
        ("not-json-type", both, "text/plain", nothing, body("list")),
    ] {
        let request = server
            .request(Method::POST, "/mcp")
            .bearer_auth(&token)
            .header("Accept", accept)
            .header("Content-Type", kind)
            .header(header.0, header.1)
            .body(body);
        let answer = Exchange::of(request).await;
        let example =
            &operation["responses"][answer.status.as_str()]["content"]["application/json"]["examples"][name];
        assert_eq!(answer.json(), example["value"], "{name}");
    }
    for name in ["greet", "whoami", "list"] {
        let request = server
            .request(Method::POST, "/mcp")
            .bearer_auth(&token)
            .header("Accept", both)
            .header("Content-Type", "application/json")
            .body(body(name));
        let answer = Exchange::of(request).await.json();
        assert_ne!(answer["result"]["isError"], true, "{name}: {answer}");
        assert!(answer["result"].is_object(), "{name}: {answer}");
    }
}

#[tokio::test]
async fn docs_work_offline() {
    let server = TestServer::spawn().await;
    let page = server.get("/docs").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.body.starts_with("<!doctype html>"));
    assert!(page.body.contains("<title>Clerk MCP server: API</title>"));
    for loading in ["<script src", "<link rel=\"stylesheet", "@import"] {
        assert!(!page.body.contains(loading), "{loading}");
    }
    // Swagger UI itself, and its style.
    assert!(page.body.contains("SwaggerUIBundle=") && page.body.contains(".swagger-ui .opblock"));
    let policy = page.header("content-security-policy").unwrap();
    // Two scripts and two styles, and no other: a token is put into this page.
    assert_eq!(policy.matches("'sha256-").count(), 4, "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(policy.contains("connect-src 'self'"), "{policy}");

    // The page's document is the whole one.
    let (_, data) = page
        .body
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["document"], server.get("/openapi.json").await.json());
    assert_eq!(data["token"], Value::Null);
    // MCP wants both media types accepted, and Swagger UI alone would send one.
    assert!(
        page.body
            .contains("request.headers.accept = \"application/json, text/event-stream\"")
    );
}
