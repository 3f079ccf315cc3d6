//! The MCP endpoint: both eras, what a broken request gets, and handlers that misbehave.

use std::{sync::Arc, time::Duration};

use clerk_mcp::{
    auth::{Authenticator, ChallengeContext, RequireAuth},
    clerk::ClerkClient,
    clock::ManualClock,
    context::{get_client, get_session, get_user},
    mcp::{McpSettings, endpoint},
    policy::{Requirement, ToolPolicy, UnknownTool},
    token::{KeyLookupError, KeyReference, KeySource, TokenVerifier, VerifyingKey},
};
use poem::{Body, Endpoint, EndpointExt, Request, Route, http::Method};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock},
    service::RequestContext,
    tool, tool_handler, tool_router,
};
use serde_json::{Value, json};

use crate::support::{
    Exchange, TestServer, modern, start_time,
    verifier::{access_token, names, policy, verifier},
};

#[tokio::test]
async fn initialize() {
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
    date: [date]
    transfer-encoding: chunked
    vary: Origin
    x-content-type-options: nosniff
    x-request-id: [uuid]

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
        "instructions": "This server tells the signed-in user about their own Clerk account: who they are, and which organizations they belong to."
      }
    }
    "#);
}

#[tokio::test]
async fn discover() {
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
async fn a_modern_list_of_tools_says_how_long_and_for_whom_it_holds() {
    let server = TestServer::spawn().await;
    let request = modern(&server, "tools/list", json!({})).bearer_auth(server.oauth_token("ada").mint());
    let answer = Exchange::of(request).await.json();
    assert_eq!(
        (&answer["result"]["ttlMs"], &answer["result"]["cacheScope"]),
        (&json!(300_000), &json!("private"))
    );
}

/// What rmcp's macros make of a server may be kept by anybody and shown to everybody, if nobody says otherwise.
#[tokio::test]
async fn a_list_is_for_its_caller_unless_the_server_says_otherwise() {
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
async fn notifications_are_taken_without_an_answer() {
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
async fn the_body_is_read_after_authentication_and_within_the_limit() {
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

/// Notices when it's dropped.
struct Dropped(Option<tokio::sync::oneshot::Sender<()>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            let _ = tell.send(());
        }
    }
}

/// A tool that never ends by itself.
#[derive(Clone)]
struct Endless {
    begun: Arc<tokio::sync::Notify>,
    dropped: Arc<std::sync::Mutex<Option<Dropped>>>,
}

impl ServerHandler for Endless {
    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let _dropped = self.dropped.lock().unwrap().take();
        self.begun.notify_one();
        std::future::pending().await
    }
}

/// rmcp runs calls on tasks of their own: without care they'd go on for nobody.
#[tokio::test]
async fn a_client_that_goes_away_ends_its_call() {
    goes_away("", "{}").await;
}

#[tokio::test]
async fn a_client_of_2026_that_goes_away_ends_its_call() {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let headers = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: endless\r\n";
    goes_away(headers, &meta.to_string()).await;
}

/// A client that calls with these headers and this `_meta`, and goes away.
async fn goes_away(headers: &str, meta: &str) {
    use tokio::io::AsyncWriteExt;
    let (tell, told) = tokio::sync::oneshot::channel();
    let endless = Endless {
        begun: Arc::default(),
        dropped: Arc::new(std::sync::Mutex::new(Some(Dropped(Some(tell))))),
    };
    let begun = Arc::clone(&endless.begun);
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let client = ClerkClient::new(reqwest::Client::new(), nowhere, "sk_test_x".into(), clock());
    let mount = endpoint(
        endless,
        client,
        McpSettings::new(ChallengeContext::new(&names(), Vec::new())),
    );
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
    told.await.expect("the call is dropped");
    server.abort();
}

/// What tools see of a request; and the ways for a tool to misbehave.
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

fn authenticator<K: KeySource>(verifier: TokenVerifier<K>) -> Authenticator {
    Authenticator::new(
        verifier,
        None,
        ChallengeContext::new(&names(), Vec::new()),
        clock(),
    )
}

/// The MCP endpoint of the probe, without authentication.
fn mount() -> impl Endpoint {
    mount_with(|_| {}).unwrap()
}

/// The same, with its settings changed.
fn mount_with(change: impl FnOnce(&mut McpSettings)) -> Result<impl Endpoint, UnknownTool> {
    let mut settings = McpSettings::new(ChallengeContext::new(&names(), Vec::new()));
    change(&mut settings);
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let client = ClerkClient::new(reqwest::Client::new(), nowhere, "sk_test_x".into(), clock());
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

/// Calls a tool of the probe, as the holder of a right token.
async fn call_probe(tool: &str) -> Value {
    let verifier = verifier(&ManualClock::at(start_time()));
    let authenticator = authenticator(verifier);
    let app = Route::new().at("/mcp", mount().with(RequireAuth::new(authenticator)));
    answer_of(app, call_request(tool, &access_token().mint())).await
}

/// On a server of one's own nothing else ends it.
#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
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
}

/// It would protect nothing.
#[tokio::test]
async fn a_policy_for_a_tool_that_is_not_there_is_refused() {
    let policy = ToolPolicy::new().require("gret", Requirement::new().role("org:admin"));
    let outcome = mount_with(|settings| settings.policy = policy);
    assert_eq!(outcome.err().unwrap().tool(), "gret");
}

#[tokio::test]
async fn a_panic_in_a_tool_is_an_answer() {
    let answer = call_probe("panic").await;
    assert_eq!(
        answer["error"],
        json!({ "code": -32603, "message": "Internal error" })
    );
}

/// Keys that can't even be asked for: the fault is ours, and must neither pass nor look like the token's.
#[derive(Debug)]
struct BrokenKeys;

impl KeySource for BrokenKeys {
    async fn key(&self, _: &str) -> Result<Option<VerifyingKey>, KeyLookupError> {
        panic!("with a secret in the message")
    }

    fn holds(&self, _: &KeyReference) -> bool {
        false
    }
}

#[tokio::test]
async fn a_panic_in_authentication_is_a_refusal() {
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
async fn a_tool_sees_its_caller_and_not_the_token() {
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
async fn outside_of_a_request_there_is_no_session_no_client_and_no_user() {
    assert!(get_session().is_err() && get_client().is_err());
    assert_eq!(
        get_user().await.unwrap_err().to_string(),
        get_session().unwrap_err().to_string()
    );
}

/// Without the middleware a request is refused, not served to nobody.
#[tokio::test]
async fn an_endpoint_without_authentication_answers_nothing() {
    let answer = answer_of(Route::new().at("/mcp", mount()), call_request("session", "any")).await;
    assert_eq!(answer["error"]["message"], "[Clerk] Session not initialized");
}
