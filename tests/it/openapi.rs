//! Tests of the OpenAPI document and its page: every route is described, and examples match real responses.

use clerk_mcp::policy::{Requirement, ToolPolicy};
use reqwest::Method;
use rmcp::{ServerHandler, handler::server::wrapper::Parameters, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

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
    let page = &document["paths"]["/"]["get"]["responses"]["200"]["content"];
    let types: Vec<_> = page.as_object().unwrap().keys().collect();
    assert_eq!(
        types,
        ["text/html; charset=utf-8", "application/json; charset=utf-8"]
    );
    let message = &document["components"]["schemas"]["JsonRpcMessage"];
    assert_eq!(message["required"], json!(["jsonrpc", "method"]));
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
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    let no_header = ("x-nothing", "1");
    for (name, accept, kind, header, body) in [
        (
            "tools-list",
            both_types,
            "application/json",
            no_header,
            body("tools-list"),
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
            body("tools-list"),
        ),
        (
            "other-origin",
            both_types,
            "application/json",
            ("Origin", "https://elsewhere.test"),
            body("tools-list"),
        ),
        (
            "one-media-type",
            "application/json",
            "application/json",
            no_header,
            body("tools-list"),
        ),
        (
            "unknown-method",
            both_types,
            "application/json",
            no_header,
            json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" },
            }})
            .to_string(),
        ),
        ("too-large", both_types, "application/json", no_header, large),
        (
            "not-json-type",
            both_types,
            "text/plain",
            no_header,
            body("tools-list"),
        ),
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
    // The arguments are derived from the input schemas.
    for name in ["get-my-organizations", "get-user-info", "greet", "whoami"] {
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

/// Otherwise `/docs` and generated clients would always ask for a token.
#[tokio::test]
async fn token_is_optional_in_the_document_of_a_server_with_public_tools() {
    let security = async |policy: ToolPolicy| {
        let server = TestServer::builder().policy(policy).spawn().await;
        let document = server.get("/openapi.json").await.json();
        document["paths"]["/mcp"]["post"]["security"].clone()
    };
    let (required, optional) = (json!([{ "clerk": [] }]), json!([{ "clerk": [] }, {}]));
    let policy = ToolPolicy::new;
    assert_eq!(security(policy()).await, required);
    let admins_only = policy().require("greet", Requirement::new().role("org:admin"));
    assert_eq!(security(admins_only).await, required);
    assert_eq!(security(policy().public("greet")).await, optional);
    assert_eq!(security(policy().public_discovery()).await, optional);
}

/// A server with its own tools must not publish the example tools.
#[tokio::test]
async fn documentation_describes_the_tools_of_the_server() {
    let server = TestServer::builder().spawn_with(Weather).await;
    let document = server.get("/openapi.json").await.json();
    let operation = &document["paths"]["/mcp"]["post"];
    let requests = &operation["requestBody"]["content"]["application/json"]["examples"];
    let names: Vec<_> = requests.as_object().unwrap().keys().collect();
    assert_eq!(names, ["tools-list", "forecast"]);
    let results = &operation["responses"]["200"]["content"]["application/json"]["examples"];
    assert_eq!(
        results["tools-list"]["value"]["result"]["tools"][0]["name"],
        "forecast"
    );

    let (params, token) = (
        &requests["forecast"]["value"]["params"],
        server.oauth_token("ada").mint(),
    );
    let answer = server.call(&token, "forecast", params["arguments"].clone()).await;
    assert_eq!(answer["result"]["content"][0]["text"], "Rain in Oslo for 3 days");

    for path in ["/docs", "/openapi.yaml"] {
        let page = server.get(path).await.body;
        assert!(page.contains("forecast") && !page.contains("greet"), "{path}");
    }
}

/// A server with one tool of its own.
#[derive(Clone)]
struct Weather;

#[derive(Deserialize, JsonSchema)]
struct Place {
    #[schemars(example = &"Oslo")]
    city: String,
    #[schemars(range(min = 3))]
    days: u8,
}

#[tool_router]
impl Weather {
    #[tool(description = "Returns the weather forecast for a city.")]
    async fn forecast(&self, Parameters(Place { city, days }): Parameters<Place>) -> String {
        format!("Rain in {city} for {days} days")
    }
}

#[tool_handler(name = "weather", version = "1.0.0")]
impl ServerHandler for Weather {}

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
