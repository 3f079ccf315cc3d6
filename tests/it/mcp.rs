//! The MCP endpoint: both eras of the protocol, cancelled calls, panics, and what a tool sees of a request.

use std::{sync::Arc, time::Duration};

use clerk_mcp::{
    auth::{Authenticator, ChallengeContext, RequireAuth},
    clerk::ClerkClient,
    clock::ManualClock,
    context::{get_client, get_session, get_user},
    mcp::{McpSettings, endpoint},
    policy::{Requirement, ToolPolicy, UnknownTool},
    token::{FetchError, KeyReference, KeySource, TokenVerifier, VerifyingKey},
};
use futures_util::future::BoxFuture;
use poem::{Body, Endpoint, EndpointExt, Request, Route, http::Method};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, Tool},
    service::RequestContext,
    tool, tool_handler, tool_router,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{
    Exchange, TestServer, modern, start_time,
    verifier::{access_token, names, policy, verifier},
};

#[tokio::test]
async fn initialize_returns_the_server_info() {
    let server = TestServer::spawn().await;
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let request = server
        .rpc("initialize", &params)
        .bearer_auth(server.oauth_token("ada").mint());
    let answer = Exchange::of(request).await;
    insta::assert_snapshot!(answer.text(&[(&format!("\"{}\"", env!("CARGO_PKG_VERSION")), "\"[version]\"")]), @r#"
    200 OK
    content-type: application/json
    vary: Origin

    {
      "jsonrpc": "2.0",
      "id": 1,
      "result": {
        "protocolVersion": "2025-11-25",
        "capabilities": {
          "tools": {}
        },
        "serverInfo": {
          "name": "clerk-mcp",
          "title": "Clerk MCP server",
          "version": "[version]"
        },
        "instructions": "This server gives the signed-in user information about their own Clerk account: their profile, and the organizations that they belong to."
      }
    }
    "#);
}

#[tokio::test]
async fn discover_lists_both_eras() {
    let server = TestServer::spawn().await;
    let request = modern(&server, "server/discover", json!({})).bearer_auth(server.oauth_token("ada").mint());
    let answer = Exchange::of(request).await.json();
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    let versions = answer["result"]["supportedVersions"].as_array().unwrap();
    assert!(
        versions.contains(&json!("2026-07-28")) && versions.contains(&json!("2025-11-25")),
        "{answer}"
    );
}

#[tokio::test]
async fn a_tool_list_of_2026_is_private_and_has_a_lifetime() {
    let server = TestServer::spawn().await;
    let request = modern(&server, "tools/list", json!({})).bearer_auth(server.oauth_token("ada").mint());
    let answer = Exchange::of(request).await.json();
    assert_eq!(
        (&answer["result"]["ttlMs"], &answer["result"]["cacheScope"]),
        (&json!(300_000), &json!("private"))
    );
}

/// rmcp's macros mark lists as public.
#[tokio::test]
async fn a_list_without_cache_hints_is_private() {
    #[derive(Clone)]
    struct Plain;

    #[tool_router]
    impl Plain {
        #[tool(name = "any", description = "Does nothing.")]
        async fn any(&self) -> String {
            String::new()
        }
    }

    #[tool_handler(name = "plain", version = "1.0.0")]
    impl ServerHandler for Plain {}

    let server = TestServer::builder().spawn_with(Plain).await;
    let request = modern(&server, "tools/list", json!({})).bearer_auth(server.oauth_token("ada").mint());
    let answer = Exchange::of(request).await.json();
    assert_eq!(
        (&answer["result"]["ttlMs"], &answer["result"]["cacheScope"]),
        (&json!(0), &json!("private"))
    );
}

#[tokio::test]
async fn a_notification_gets_202_without_a_body() {
    let server = TestServer::spawn().await;
    let request = server
        .request(Method::POST, "/mcp")
        .bearer_auth(server.oauth_token("ada").mint())
        .header("Accept", "application/json, text/event-stream")
        .json(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let answer = Exchange::of(request).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (202, ""));
}

#[tokio::test]
async fn the_body_limit_applies_after_authentication() {
    let server = TestServer::builder().set("MAX_BODY", "10 KiB").spawn().await;
    let post = |size: usize| {
        server
            .request(Method::POST, "/mcp")
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .body(" ".repeat(size))
    };
    assert_eq!(Exchange::of(post(11 << 10)).await.status, 401);
    let token = server.oauth_token("ada").mint();
    assert_eq!(Exchange::of(post(11 << 10).bearer_auth(token)).await.status, 413);
}

/// Notifies when it is dropped.
struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A tool that never returns.
#[derive(Clone, Default)]
struct Endless {
    begun: Arc<Notify>,
    dropped: Arc<Notify>,
}

impl ServerHandler for Endless {
    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let _dropped = NotifyOnDrop(Arc::clone(&self.dropped));
        self.begun.notify_one();
        std::future::pending().await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        (name == "endless").then(|| Tool::new("endless", "Never returns.", JsonObject::new()))
    }
}

/// rmcp runs calls on separate tasks, which would keep running after the client disconnected.
#[tokio::test]
async fn a_call_is_cancelled_when_its_client_disconnects() {
    disconnect_during_call("", "{}").await;
}

#[tokio::test]
async fn a_call_of_2026_is_cancelled_when_its_client_disconnects() {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let headers = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: endless\r\n";
    disconnect_during_call(headers, &meta.to_string()).await;
}

/// Calls a tool with these headers and this `_meta`, through rmcp's HTTP service and directly, disconnects,
/// and waits until the call is dropped.
async fn disconnect_during_call(headers: &str, meta: &str) {
    for direct_tools in [&[][..], &["endless"]] {
        disconnect(headers, meta, direct_tools).await;
    }
}

async fn disconnect(headers: &str, meta: &str, direct_tools: &[&str]) {
    use tokio::io::AsyncWriteExt;
    let log = crate::support::log::CapturedLog::start();
    let endless = Endless::default();
    let (begun, dropped) = (Arc::clone(&endless.begun), Arc::clone(&endless.dropped));
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let client = ClerkClient::new(crate::support::http(), nowhere, "sk_test_x".into(), clock());
    let mut settings = McpSettings::new(ChallengeContext::new(&names(), Vec::new()));
    settings.direct_tools = direct_tools.iter().map(|&tool| tool.to_owned()).collect();
    let mount = endpoint(endless, client, settings);
    let app = Route::new().at(
        "/mcp",
        mount
            .unwrap()
            .with(RequireAuth::new(authenticator(verifier(&clock())))),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = clerk_mcp::http::ServerLimits::new(10, Duration::ZERO);
    let server = tokio::spawn(clerk_mcp::http::serve(
        listener,
        app.boxed(),
        limits,
        std::future::pending(),
    ));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"endless","_meta":{meta}}}}}"#
    );
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nAccept: \
         application/json, text/event-stream\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        access_token().mint(),
        body.len(),
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    begun.notified().await;
    drop(stream);
    dropped.notified().await;
    server.abort();
    // The tool may have had effects.
    let events = log.events("clerk_mcp::audit");
    assert_eq!(events.len(), 1, "{direct_tools:?}: {events:?}");
    assert_eq!(events[0]["outcome"], "error");
}

/// Tools that return what they see of the request, and one that panics.
#[derive(Clone)]
struct Probe;

impl ServerHandler for Probe {
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let text = match request.name.as_ref() {
            "panic" => panic!("with a secret in the message"),
            "session" => {
                tokio::task::yield_now().await;
                get_session().unwrap().subject.clone()
            }
            "spawned" => {
                let spawned = tokio::spawn(async { (get_session().err(), get_client().err()) })
                    .await
                    .unwrap();
                let (session, client) = (spawned.0.unwrap(), spawned.1.unwrap());
                format!("{session}\n{client}")
            }
            "headers" => {
                let parts = context.extensions.get::<http::request::Parts>().unwrap();
                format!("{:?}", parts.headers.get("authorization"))
            }
            other => panic!("no tool {other}"),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(start_time()))
}

fn authenticator(verifier: TokenVerifier) -> Authenticator {
    Authenticator::new(verifier, None, ChallengeContext::new(&names(), Vec::new()))
}

/// Mounts the probe, without authentication.
fn mount() -> impl Endpoint {
    mount_with(|_| {}).unwrap()
}

/// Mounts the probe with changed settings.
fn mount_with(change: impl FnOnce(&mut McpSettings)) -> Result<impl Endpoint, UnknownTool> {
    let mut settings = McpSettings::new(ChallengeContext::new(&names(), Vec::new()));
    change(&mut settings);
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let client = ClerkClient::new(crate::support::http(), nowhere, "sk_test_x".into(), clock());
    endpoint(Probe, client, settings)
}

fn call_request(tool: &str, token: &str) -> Request {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": {} } });
    Request::builder()
        .method(Method::POST)
        .uri_str("/mcp")
        .header("Host", "mcp.example.com")
        .header("Authorization", format!("Bearer {token}"))
        .header("Accept", "application/json, text/event-stream")
        .content_type("application/json")
        .body(body.to_string())
}

async fn answer_of(endpoint: impl Endpoint, request: Request) -> Value {
    let text = endpoint
        .get_response(request)
        .await
        .into_body()
        .into_string()
        .await
        .unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// Calls a tool of the probe with a valid token.
async fn call_probe(tool: &str) -> Value {
    let verifier = verifier(&ManualClock::at(start_time()));
    let authenticator = authenticator(verifier);
    let app = Route::new().at("/mcp", mount().with(RequireAuth::new(authenticator)));
    answer_of(app, call_request(tool, &access_token().mint())).await
}

/// The endpoint may be mounted on a server without a time limit for requests.
#[tokio::test]
async fn a_body_that_never_arrives_times_out() {
    let mount = mount_with(|settings| settings.call_timeout = Duration::from_millis(50)).unwrap();
    let verifier = verifier(&ManualClock::at(start_time()));
    let app = mount.with(RequireAuth::new(authenticator(verifier)));
    let mut request = call_request("session", &access_token().mint());
    request.set_body(Body::from_bytes_stream(futures_util::stream::pending::<
        Result<Vec<u8>, std::io::Error>,
    >()));
    let answer = app.get_response(request).await;
    assert_eq!(answer.status(), 408);
    let answer: Value = answer.into_body().into_json().await.unwrap();
    assert_eq!(
        (&answer["error"]["code"], &answer["id"]),
        (&json!(-32600), &Value::Null)
    );
    // The text of the example in the OpenAPI document.
    let text = "The message was not received within the time limit";
    assert_eq!(answer["error"]["message"], text);
}

/// A misspelled name would leave a tool unprotected.
#[tokio::test]
async fn a_policy_for_an_unknown_tool_is_rejected() {
    let policy = ToolPolicy::new().require("gret", Requirement::new().role("org:admin"));
    let outcome = mount_with(|settings| settings.policy = policy);
    assert_eq!(outcome.err().unwrap().0, "gret");
}

#[tokio::test]
async fn a_panic_in_a_tool_is_an_internal_error() {
    let answer = call_probe("panic").await;
    assert_eq!(
        answer["error"],
        json!({ "code": -32603, "message": "Internal error" })
    );
}

/// A key source that panics. The request must not be let through, nor be answered as if the token were
/// invalid.
#[derive(Debug)]
struct BrokenKeys;

impl KeySource for BrokenKeys {
    fn keys<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<VerifyingKey>, FetchError>> {
        panic!("with a secret in the message")
    }

    fn holds(&self, _: &KeyReference) -> bool {
        false
    }
}

#[tokio::test]
async fn a_panic_in_authentication_gets_500() {
    let authenticator = authenticator(TokenVerifier::new(BrokenKeys, policy(), clock()));
    let app = Route::new().at("/mcp", mount().with(RequireAuth::new(authenticator)));
    let response = app
        .get_response(call_request("session", &access_token().mint()))
        .await;
    let status = response.status();
    let headers = format!("{:?}", response.headers());
    insta::assert_snapshot!(format!("{status}\n{headers}\n{}", response.into_body().into_string().await.unwrap()), @r#"
    500 Internal Server Error
    {"content-type": "application/json; charset=utf-8", "cache-control": "no-store"}
    {"error":"server_error","error_description":"Authentication processing failed"}
    "#);
}

#[tokio::test]
async fn a_tool_sees_the_caller_but_not_the_token() {
    let answer = call_probe("session").await;
    assert_eq!(answer["result"]["content"][0]["text"], "user_2abc");
    let answer = call_probe("headers").await;
    assert_eq!(answer["result"]["content"][0]["text"], "None");
}

#[tokio::test]
async fn a_spawned_task_has_no_session() {
    let answer = call_probe("spawned").await;
    insta::assert_snapshot!(answer["result"]["content"][0]["text"].as_str().unwrap(), @"
    [Clerk] Session not initialized. Call get_session() inside a tool of a server mounted behind RequireAuth; hand the session to tasks that you spawn
    [Clerk] Client not initialized. Call get_client() inside a tool of a server mounted behind RequireAuth; hand the client to tasks that you spawn
    ");
}

#[tokio::test]
async fn there_is_no_session_client_or_user_outside_a_request() {
    assert!(get_session().is_err() && get_client().is_err());
    assert_eq!(
        get_user().await.unwrap_err().to_string(),
        get_session().unwrap_err().to_string()
    );
}

#[tokio::test]
async fn an_endpoint_without_authentication_rejects_every_request() {
    let answer = answer_of(Route::new().at("/mcp", mount()), call_request("session", "any")).await;
    assert_eq!(answer["error"]["message"], "[Clerk] Session not initialized");
}
