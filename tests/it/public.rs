//! Public tools and public discovery: what a caller without a token may do, and every trick to do more.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use clerk_mcp::{
    auth::{Authenticator, ChallengeContext, RequireAuth},
    clerk::ClerkClient,
    clock::ManualClock,
    context,
    mcp::{self, ExampleTools, McpSettings, ToolError},
    policy::{Requirement, ToolListing, ToolPolicy},
};
use local_clerk::{Endpoint as ClerkEndpoint, Fault};
use poem::{Endpoint, EndpointExt, Request};
use reqwest::{Method, RequestBuilder};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::{Value, json};

use crate::support::{
    Exchange, TestServer, http,
    log::CapturedLog,
    modern,
    server::{Builder, foreign_key},
    start_time,
    verifier::{names, verifier},
};

/// A server with a public tool, `plans`.
#[derive(Clone, Default)]
struct Shop {
    /// How often `orders` and `refunds` ran, which need a token.
    protected_calls: Arc<AtomicUsize>,
}

#[tool_router]
impl Shop {
    #[tool(name = "plans", description = "Lists the plans.")]
    async fn plans(&self) -> String {
        let session = context::get_session().map(|session| session.subject.clone());
        let client = context::get_client().map(drop);
        let (user, organization) = (context::get_user().await, context::get_organization().await);
        let failed = (user.is_err(), organization.is_err());
        format!("session {session:?}, client {client:?}, user and organization failed {failed:?}")
    }

    #[tool(name = "orders", description = "Lists the orders of the caller.")]
    async fn orders(&self) -> Result<String, ToolError> {
        self.protected_calls.fetch_add(1, Ordering::Relaxed);
        Ok(context::get_session()?.subject.clone())
    }

    #[tool(name = "refunds", description = "Refunds all orders.")]
    async fn refunds(&self) -> String {
        self.protected_calls.fetch_add(1, Ordering::Relaxed);
        "Refunded".to_owned()
    }
}

#[tool_handler(name = "shop", version = "1.0.0")]
impl ServerHandler for Shop {}

fn policy() -> ToolPolicy {
    ToolPolicy::new()
        .public("plans")
        .require("refunds", Requirement::new().role("org:admin"))
}

fn shop() -> Builder {
    TestServer::builder().policy(policy())
}

fn call(server: &TestServer, tool: &str) -> RequestBuilder {
    server.rpc("tools/call", &json!({ "name": tool, "arguments": {} }))
}

fn initialize(server: &TestServer) -> RequestBuilder {
    let client = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    server.rpc("initialize", &params)
}

/// Every message with which a client discovers a server, in both eras of MCP.
fn discovery(server: &TestServer) -> Vec<RequestBuilder> {
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    vec![
        initialize(server),
        server.rpc("ping", &json!({})).json(&notification),
        server.rpc("ping", &json!({})),
        server.mcp(),
        modern(server, "server/discover", json!({})),
        modern(server, "tools/list", json!({})),
    ]
}

#[tokio::test]
async fn every_message_needs_a_token_by_default() {
    let policy = ToolPolicy::new().require("refunds", Requirement::new().role("org:admin"));
    let server = TestServer::builder()
        .policy(policy)
        .spawn_with(Shop::default())
        .await;
    for request in discovery(&server).into_iter().chain([call(&server, "plans")]) {
        assert_eq!(Exchange::of(request).await.status, 401);
    }
}

#[tokio::test]
async fn public_discovery_alone_makes_no_tool_public() {
    let policy = ToolPolicy::new().public_discovery();
    let server = TestServer::builder()
        .policy(policy)
        .spawn_with(Shop::default())
        .await;
    for request in discovery(&server) {
        let answer = Exchange::of(request).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }
    assert_eq!(Exchange::of(call(&server, "plans")).await.status, 401);
}

#[tokio::test]
async fn anonymous_callers_discover_the_server_and_call_public_tools() {
    let server = shop().spawn_with(Shop::default()).await;
    for request in discovery(&server) {
        let answer = Exchange::of(request).await;
        assert!(answer.status.is_success(), "{answer:?}");
        assert!(!answer.body.contains("error"), "{answer:?}");
        assert_eq!(answer.header("mcp-session-id"), None);
    }
    // All tools are listed: the client can offer those that need a token, and the user signs in then.
    let list = Exchange::of(server.mcp()).await.json();
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 3, "{list}");
    let anonymous =
        "session Err(Anonymous), client Err(Anonymous), user and organization failed (true, true)";
    let modern_call = modern(&server, "tools/call", json!({ "name": "plans" }));
    for request in [call(&server, "plans"), modern_call] {
        let answer = Exchange::of(request).await.json();
        assert_eq!(answer["result"]["content"][0]["text"], anonymous, "{answer}");
    }
    assert_eq!(server.clerk.request_count(ClerkEndpoint::BackendUser), 0);
}

/// The rejection is the one that every request without a token gets.
#[tokio::test]
async fn other_tools_and_other_requests_need_a_token() {
    let shop_server = Shop::default();
    let server = shop().spawn_with(shop_server.clone()).await;
    insta::assert_snapshot!(Exchange::of(call(&server, "orders")).await.text(&[]), @r#"
    401 Unauthorized
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin
    www-authenticate: Bearer scope="profile email", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"

    {
      "error": "unauthorized",
      "error_description": "Missing or invalid bearer token"
    }
    "#);
    let empty = json!({});
    let subscription = json!({ "uri": "test://a" });
    for request in [
        call(&server, "refunds"),
        call(&server, "no-such-tool"),
        call(&server, "Plans"),
        call(&server, "plans "),
        server.rpc("prompts/list", &empty),
        server.rpc("resources/list", &empty),
        server.rpc("resources/templates/list", &empty),
        server.rpc("resources/subscribe", &subscription),
        server.rpc("logging/setLevel", &json!({ "level": "debug" })),
        server.rpc("completion/complete", &empty),
        server.rpc("tasks/list", &empty),
        server.rpc("Tools/List", &empty),
        server.rpc("no/such/method", &empty),
        modern(&server, "subscriptions/listen", empty.clone()),
        modern(&server, "prompts/list", empty.clone()),
        modern(&server, "tools/call", json!({ "name": "orders" })),
    ] {
        let answer = Exchange::of(request).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.header("www-authenticate").is_some());
    }
    for (method, path) in [
        (Method::GET, "/mcp"),
        (Method::DELETE, "/mcp"),
        (Method::PUT, "/mcp"),
        (Method::GET, "/mcp/plans"),
        (Method::POST, "/mcp/plans"),
        (Method::POST, "/mcp/../mcp"),
        (Method::POST, "/mcp//"),
    ] {
        let answer = Exchange::of(server.request(method.clone(), path)).await;
        assert_ne!(answer.status, 200, "{method} {path}");
    }
    for (method, path) in [
        (Method::GET, "/mcp"),
        (Method::DELETE, "/mcp"),
        (Method::POST, "/mcp/plans"),
    ] {
        let answer = Exchange::of(server.request(method.clone(), path)).await;
        assert_eq!(answer.status, 401, "{method} {path}");
    }
    assert_eq!(shop_server.protected_calls.load(Ordering::Relaxed), 0);
}

/// A client whose token has expired must learn it, and a forged token must not get the rights of no token.
#[tokio::test]
async fn a_bad_token_is_rejected_and_never_anonymous() {
    let server = shop().spawn_with(Shop::default()).await;
    let with = |authorization: &[&str]| {
        let add = |request: RequestBuilder, value: &&str| request.header("Authorization", *value);
        let requests = [call(&server, "plans"), server.mcp(), initialize(&server)];
        requests.map(|request| authorization.iter().fold(request, add))
    };
    let bearer = |token: &str| format!("Bearer {token}");
    let good = bearer(&server.session_token("ada").mint());
    let expired = bearer(&server.session_token("ada").claim("exp", 1).mint());
    let forged = bearer(&server.session_token("ada").signed_by(&foreign_key()).mint());
    let unsigned = bearer(
        &server
            .session_token("ada")
            .header("alg", "none")
            .unsigned()
            .mint(),
    );
    for (authorization, status) in [
        (vec![expired.as_str()], 401),
        (vec![&forged], 401),
        (vec![&unsigned], 401),
        (vec!["Bearer x"], 401),
        (vec!["Bearer oat_unknown"], 401),
        (vec![""], 401),
        (vec!["Bearer"], 401),
        (vec!["Bearer "], 401),
        (vec!["Basic YTpi"], 401),
        (vec![&good, &good], 400),
        (vec!["", &good], 400),
        (vec![&good, &forged], 400),
    ] {
        for request in with(&authorization) {
            let answer = Exchange::of(request).await;
            assert_eq!(answer.status, status, "{authorization:?}: {answer:?}");
        }
    }
    // A good token makes the caller known, also to a public tool.
    let [request, ..] = with(&[&good]);
    let answer = Exchange::of(request).await.json();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("session Ok(\"user_") && text.contains("client Ok"),
        "{text}"
    );
}

/// While Clerk is unavailable, a token cannot be verified. Its caller is not anonymous then.
#[tokio::test]
async fn a_token_that_cannot_be_verified_is_not_anonymous() {
    let server = shop().spawn_with(Shop::default()).await;
    server.clerk.inject(Fault::Down.everywhere());
    let token = server.session_token("ada").mint();
    let answer = Exchange::of(call(&server, "plans").bearer_auth(token)).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(Exchange::of(call(&server, "plans")).await.status, 200);
}

/// The body decides, and headers that contradict it make the request one that needs a token.
#[tokio::test]
async fn headers_and_body_must_agree() {
    let tools = Shop::default();
    let server = shop().spawn_with(tools.clone()).await;
    let post = |body: &str| {
        let request = server
            .request(Method::POST, "/mcp")
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json");
        request.body(body.to_owned())
    };
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let orders = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"orders"}}"#;
    let plans = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"plans"}}"#;
    for (body, headers) in [
        (orders, &[("Mcp-Method", "tools/list")][..]),
        (orders, &[("Mcp-Method", "tools/call"), ("Mcp-Name", "plans")]),
        (
            orders,
            &[
                ("Mcp-Method", "initialize"),
                ("MCP-Protocol-Version", "2026-07-28"),
            ],
        ),
        (orders, &[("Mcp-Name", "orders"), ("Mcp-Name", "plans")]),
        (list, &[("Mcp-Method", "tools/call"), ("Mcp-Name", "orders")]),
        (
            list,
            &[("Mcp-Method", "tools/list"), ("Mcp-Method", "tools/call")],
        ),
        (list, &[("Mcp-Method", "tools/list"), ("Mcp-Name", "orders")]),
        (plans, &[("Mcp-Method", "tools/call"), ("Mcp-Name", "orders")]),
        (plans, &[("Mcp-Name", "plans"), ("Mcp-Name", "orders")]),
        (plans, &[("Mcp-Method", "TOOLS/CALL")]),
        (plans, &[("Mcp-Method", "")]),
    ] {
        let add = |request: RequestBuilder, (name, value): &(&str, &str)| request.header(*name, *value);
        let answer = Exchange::of(headers.iter().fold(post(body), add)).await;
        assert_eq!(answer.status, 401, "{headers:?} {body}: {answer:?}");
    }
    for (body, status) in [
        // The same tool in another spelling.
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"\u006frders"}}"#,
            401,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"plans","name":"orders"}}"#,
            400,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"orders","name":"plans"}}"#,
            400,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"plans","\u006eame":"orders"}}"#,
            400,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"orders"}}"#,
            400,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"orders"},"method":"tools/list"}"#,
            400,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"plans"},"params":{"name":"orders"}}"#,
            400,
        ),
        (&format!("[{list},{orders}]"), 400),
        (&format!("[{orders}]"), 400),
        (&format!("{list}{orders}"), 400),
        (&format!("{list}\n{orders}"), 400),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, 401),
        (
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"orders"}}"#,
            401,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
            401,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
            401,
        ),
    ] {
        let answer = Exchange::of(post(body)).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
    }
    // A message of 2026-07-28 in which only the header or only the body names the revision.
    let (half, other) = (
        post(orders),
        modern(&server, "tools/call", json!({ "name": "orders" })),
    );
    for request in [
        half.header("MCP-Protocol-Version", "2026-07-28"),
        other.header("Mcp-Name", "plans"),
    ] {
        assert_eq!(Exchange::of(request).await.status, 401);
    }
    assert_eq!(tools.protected_calls.load(Ordering::Relaxed), 0);
    assert_eq!(Exchange::of(post(plans)).await.status, 200);
}

#[tokio::test]
async fn an_allowed_listing_shows_anonymous_callers_the_public_tools() {
    let server = TestServer::builder()
        .policy(policy().listing(ToolListing::Allowed))
        .spawn_with(Shop::default())
        .await;
    let names = |list: Value| -> Vec<String> {
        let tools = list["result"]["tools"].as_array().unwrap().clone();
        tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(Exchange::of(server.mcp()).await.json()), ["plans"]);
    let token = server.session_token("alan").mint();
    assert_eq!(names(server.with_token(&token).await.json()), ["orders", "plans"]);
    let list = Exchange::of(modern(&server, "tools/list", json!({})))
        .await
        .json();
    assert_eq!(list["result"]["cacheScope"], "private");
}

/// Otherwise a client shows only public tools for five minutes after its user signed in.
#[tokio::test]
async fn an_allowed_listing_for_anonymous_callers_is_not_cached() {
    let policy = ToolPolicy::new().public("greet").listing(ToolListing::Allowed);
    let server = TestServer::builder().policy(policy).spawn().await;
    let list = Exchange::of(modern(&server, "tools/list", json!({})))
        .await
        .json();
    assert_eq!(list["result"]["tools"][0]["name"], "greet");
    assert_eq!(list["result"]["ttlMs"], 0);
    assert_eq!(list["result"]["cacheScope"], "private");
}

#[tokio::test]
async fn a_requirement_keeps_a_tool_from_being_public() {
    let admins = Requirement::new().role("org:admin");
    for policy in [
        ToolPolicy::new().public("plans").require("plans", admins.clone()),
        ToolPolicy::new().require("plans", admins).public("plans"),
    ] {
        let server = TestServer::builder()
            .policy(policy)
            .spawn_with(Shop::default())
            .await;
        assert_eq!(Exchange::of(call(&server, "plans")).await.status, 401);
    }
}

/// An MCP session belongs to a user, so without a token there is none.
#[tokio::test]
async fn anonymous_callers_have_no_mcp_session() {
    let tools = Shop::default();
    let server = shop().sessions(|_| {}).spawn_with(tools.clone()).await;
    let token = server.session_token("ada").mint();
    let opened = Exchange::of(initialize(&server).bearer_auth(&token)).await;
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    for request in [
        initialize(&server),
        server.mcp(),
        call(&server, "plans"),
        call(&server, "orders"),
    ] {
        let in_session = request.try_clone().unwrap().header("Mcp-Session-Id", &session);
        for request in [request, in_session] {
            let answer = Exchange::of(request).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("mcp-session-id")),
                (401, None)
            );
        }
    }
    let plans = modern(&server, "tools/call", json!({ "name": "plans" }));
    let orders = modern(&server, "tools/call", json!({ "name": "orders" }));
    for (request, status) in [(plans, 200), (orders, 401)] {
        let request = request.header("Mcp-Session-Id", &session);
        assert_eq!(Exchange::of(request).await.status, status);
    }
    assert_eq!(tools.protected_calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn direct_calls_answer_anonymous_callers_as_rmcp_does() {
    let builder = || TestServer::builder().policy(ToolPolicy::new().public("greet"));
    let (direct, through_rmcp) = (
        builder().spawn().await,
        builder().spawn_with(ExampleTools::new("x")).await,
    );
    for (tool, status) in [("greet", 200), ("whoami", 401)] {
        let request = |server: &TestServer| {
            let params = json!({ "name": tool, "arguments": { "name": "Ada" } });
            [
                server.rpc("tools/call", &params),
                modern(server, "tools/call", params),
            ]
        };
        for (one, other) in request(&direct).into_iter().zip(request(&through_rmcp)) {
            let (one, other) = (Exchange::of(one).await, Exchange::of(other).await);
            assert_eq!(one.status, status);
            assert_eq!(one.text(&[]), other.text(&[]));
            if status == 200 {
                assert_eq!(
                    one.json()["result"]["content"][0]["text"],
                    "[Clerk] This call is anonymous: the tool is public and the request has no token. Sign in and call again"
                );
            }
        }
    }
}

#[tokio::test]
async fn an_anonymous_call_is_audited_without_a_user() {
    let log = CapturedLog::start();
    let server = shop().spawn_with(Shop::default()).await;
    Exchange::of(call(&server, "plans")).await;
    let mut events = log.events("clerk_mcp::audit");
    let event = events[0].as_object_mut().unwrap();
    event.remove("milliseconds").unwrap();
    event.remove("request_id").unwrap();
    assert_eq!(
        events,
        [json!({ "message": "tool call", "tool": "plans", "outcome": "ok", "required_scopes": "" })]
    );
}

#[tokio::test]
async fn the_secret_key_does_not_matter_for_anonymous_calls() {
    let server = shop()
        .set("CLERK_SECRET_KEY", "sk_test_wrong")
        .spawn_with(Shop::default())
        .await;
    server.probe.run_once().await;
    assert_eq!(Exchange::of(call(&server, "plans")).await.status, 200);
    let token = server.session_token("ada").mint();
    assert_eq!(
        Exchange::of(call(&server, "plans").bearer_auth(token))
            .await
            .status,
        500
    );
}

/// The middleware and the endpoint must both allow anonymous requests.
#[tokio::test]
async fn middleware_and_policy_must_agree() {
    for (policy, is_allowed, expected) in [
        (policy(), true, 200),
        (policy(), false, 401),
        (ToolPolicy::new(), true, 401),
        (ToolPolicy::new(), false, 401),
    ] {
        let nowhere = "http://127.0.0.1:9".parse().unwrap();
        let clock = ManualClock::at(start_time());
        let client = ClerkClient::new(http(), nowhere, "sk_test_x".into(), Arc::new(clock.clone()));
        let challenge = ChallengeContext::new(&names(), Vec::new());
        let mut settings = McpSettings::new(challenge.clone());
        settings.policy = policy;
        let tools = mcp::endpoint(Shop::default(), client, settings).unwrap();
        let auth = Authenticator::new(verifier(&clock), None, challenge);
        let auth = RequireAuth::new(auth);
        let auth = if is_allowed { auth.allow_anonymous() } else { auth };
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let request = Request::builder()
            .method(Method::POST)
            .header("Host", "localhost")
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(message.to_string());
        let response = tools.with(auth).get_response(request).await;
        assert_eq!(response.status().as_u16(), expected);
    }
}
