//! Tests of the OpenAPI document and its page: every route is described, and examples match real responses.

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
        assert!(
            paths.contains(&path),
            "{path} is missing from the OpenAPI document"
        );
        assert_ne!(
            server.get(path).await.status,
            404,
            "{path} is in the OpenAPI document but returns 404"
        );
    }
    insta::assert_json_snapshot!("openapi_mcp", document["paths"]["/mcp"]);
    let yaml: Value = serde_norway::from_str(&server.get("/openapi.yaml").await.body).unwrap();
    assert_eq!(yaml, document);
}

#[tokio::test]
async fn openapi_examples_match_real_responses() {
    let server = TestServer::spawn().await;
    let document = server.get("/openapi.json").await.json();
    let operation = &document["paths"]["/mcp"]["post"];
    let body = |name: &str| {
        operation["requestBody"]["content"]["application/json"]["examples"][name]["value"].to_string()
    };
    let token = server.oauth_token("ada").mint();
    let both_types = "application/json, text/event-stream";
    let without_name =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{}}}"#;
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    let no_header = ("x-nothing", "1");
    for (name, accept, kind, header, body) in [
        ("greet", both_types, "application/json", no_header, body("greet")),
        (
            "missing-argument",
            both_types,
            "application/json",
            no_header,
            without_name.to_owned(),
        ),
        (
            "not-json",
            both_types,
            "application/json",
            no_header,
            "Ada".to_owned(),
        ),
        (
            "unknown-revision",
            both_types,
            "application/json",
            ("MCP-Protocol-Version", "1999-01-01"),
            body("list"),
        ),
        (
            "other-origin",
            both_types,
            "application/json",
            ("Origin", "https://elsewhere.test"),
            body("list"),
        ),
        (
            "one-media-type",
            "application/json",
            "application/json",
            no_header,
            body("list"),
        ),
        ("too-large", both_types, "application/json", no_header, large),
        ("not-json-type", both_types, "text/plain", no_header, body("list")),
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
            .header("Accept", both_types)
            .header("Content-Type", "application/json")
            .body(body(name));
        let answer = Exchange::of(request).await.json();
        assert_ne!(answer["result"]["isError"], true, "{name}: {answer}");
        assert!(answer["result"].is_object(), "{name}: {answer}");
    }
}

#[tokio::test]
async fn docs_page_loads_nothing_and_allows_only_its_own_scripts() {
    let server = TestServer::spawn().await;
    let page = server.get("/docs").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.body.starts_with("<!doctype html>"));
    assert!(page.body.contains("<title>Clerk MCP server: API</title>"));
    for external in ["<script src", "<link rel=\"stylesheet", "@import"] {
        assert!(!page.body.contains(external), "{external}");
    }
    // Swagger UI's script and stylesheet are inlined.
    assert!(page.body.contains("SwaggerUIBundle=") && page.body.contains(".swagger-ui .opblock"));
    let policy = page.header("content-security-policy").unwrap();
    // Users enter tokens on this page, so only its own two scripts and two styles may run.
    assert_eq!(policy.matches("'sha256-").count(), 4, "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(policy.contains("connect-src 'self'"), "{policy}");

    // The page embeds the complete OpenAPI document.
    let (_, data) = page
        .body
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["document"], server.get("/openapi.json").await.json());
    assert_eq!(data["token"], Value::Null);
    // MCP requires a client to accept both media types; Swagger UI would send only one by default.
    assert!(
        page.body
            .contains("request.headers.accept = \"application/json, text/event-stream\"")
    );
}
