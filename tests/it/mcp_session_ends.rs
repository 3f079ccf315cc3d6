//! What ends while something is going on: sessions, streams, notifications, and the clients of all of them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clerk_mcp::{app::App, context::get_session, mcp::McpSessions};
use futures_util::future::join_all;
use local_clerk::LocalClerk;
use poem::Endpoint;
use reqwest::Method;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, InitializeRequestParams,
        InitializeResult, ServerCapabilities, ServerConfig, SubscriptionFilter,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use crate::support::{
    Exchange, McpClient, TestServer,
    mcp_client::{Events, call},
    memory_store::MemoryStore,
    modern, open,
    server::{BASE_URL, RESOURCE, config},
};

/// What a [`Witness`] saw.
#[derive(Debug, PartialEq)]
enum Seen {
    Called,
    /// By whom.
    Notified(String),
    Listening,
    /// What was going on ended.
    Ended,
}

/// Tells what reaches it, and what ends.
#[derive(Clone)]
struct Witness {
    seen: mpsc::UnboundedSender<Seen>,
    /// Whether it lets nobody in.
    refuses: Arc<AtomicBool>,
    /// What it waits for before it lets somebody in.
    goes_on: Arc<Semaphore>,
}

struct Ending(mpsc::UnboundedSender<Seen>);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.send(Seen::Ended);
    }
}

impl Witness {
    fn new() -> (Self, mpsc::UnboundedReceiver<Seen>) {
        let (seen, see) = mpsc::unbounded_channel();
        let (refuses, goes_on) = (Arc::default(), Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)));
        (
            Self {
                seen,
                refuses,
                goes_on,
            },
            see,
        )
    }

    fn tell(&self, what: Seen) -> Ending {
        let _ = self.seen.send(what);
        Ending(self.seen.clone())
    }
}

impl ServerHandler for Witness {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder();
        ServerConfig::new(capabilities.enable_tools().enable_tool_list_changed().build())
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.goes_on.acquire().await.unwrap().forget();
        if self.refuses.load(Ordering::Relaxed) {
            return Err(ErrorData::internal_error("not today", None));
        }
        self.negotiate_initialize(&request)
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let _ = self.seen.send(Seen::Called);
        Ok(CallToolResult::success(vec![ContentBlock::text("done")]).into())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, _: SubscriptionContext) -> Result<(), ErrorData> {
        let _ending = self.tell(Seen::Listening);
        std::future::pending().await
    }

    async fn on_roots_list_changed(&self, _: NotificationContext<RoleServer>) {
        let who = get_session().map(|session| session.subject.clone());
        let _ending = self.tell(Seen::Notified(who.unwrap_or_default()));
        std::future::pending::<()>().await;
    }
}

async fn witnessed(
    change: impl FnOnce(&mut McpSessions),
) -> (TestServer, String, mpsc::UnboundedReceiver<Seen>) {
    let (witness, seen) = Witness::new();
    let server = TestServer::builder()
        .set("REQUEST_TIMEOUT", "1s")
        .sessions(change)
        .spawn_with(witness)
        .await;
    let token = server.oauth_token("ada").mint();
    (server, token, seen)
}

fn roots_changed() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" })
}

/// A stream that rmcp has begun to make and nobody takes would stay in the session for as long as that lives: with its client
/// gone, the request is carried out all the same.
#[tokio::test]
async fn a_request_whose_client_leaves_at_once_leaves_nothing_behind() {
    let clerk = LocalClerk::builder().start().await.unwrap();
    let mut values = HashMap::from([("BASE_URL", BASE_URL.to_owned())]);
    values.extend(clerk.environment());
    let config = config(&values).unwrap();
    let (witness, mut seen) = Witness::new();
    let sessions = McpSessions::new(config.clerk.issuer());
    let app = App::builder(&config)
        .server(witness)
        .sessions(sessions)
        .build()
        .unwrap();
    let token = clerk
        .oauth_token("ada", "client", &["profile"], Some(RESOURCE))
        .unwrap()
        .mint();
    let post = |session: &str, message: &Value| {
        poem::Request::builder()
            .method(Method::POST)
            .uri_str("/mcp")
            .header("host", "mcp.example.com")
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "application/json, text/event-stream")
            .header("mcp-session-id", session)
            .content_type("application/json")
            .body(message.to_string())
    };
    let initialize = json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } },
    });
    let mut request = post("none", &initialize);
    request.headers_mut().remove("mcp-session-id");
    let opened = app.endpoint.get_response(request).await;
    let session = opened.headers()["mcp-session-id"].to_str().unwrap();
    for id in 1..20 {
        let mut request = Box::pin(
            app.endpoint
                .get_response(post(session, &call(id, "any", &json!({})))),
        );
        // As far as it gets without waiting: rmcp has been asked for a stream.
        assert!(futures_util::poll!(request.as_mut()).is_pending());
        drop(request);
        assert_eq!(seen.recv().await, Some(Seen::Called), "{id}");
    }
}

/// Nobody waits for a notification, and so nobody would notice that it's never done with.
#[tokio::test]
async fn a_notification_has_a_caller_and_a_time_limit() {
    let (server, token, mut seen) = witnessed(|_| {}).await;
    let client = McpClient::connect(&server, &token).await;
    assert_eq!(client.post(&token, &roots_changed()).await.status(), 202);
    let Some(Seen::Notified(who)) = seen.recv().await else {
        panic!("it's not notified");
    };
    assert!(who.starts_with("user_"), "{who}");
    assert_eq!(seen.recv().await, Some(Seen::Ended));
}

#[tokio::test]
async fn only_so_many_notifications_are_handled_at_a_time() {
    let (witness, mut seen) = Witness::new();
    // They end long after this test.
    let server = TestServer::builder().sessions(|_| {}).spawn_with(witness).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    for _ in 0..80 {
        assert_eq!(client.post(&token, &roots_changed()).await.status(), 202);
    }
    for _ in 0..64 {
        assert!(matches!(seen.recv().await, Some(Seen::Notified(_))));
    }
    // Whatever came before this is on its way.
    client.call(&token, "any", &json!({})).await;
    assert_eq!(seen.recv().await, Some(Seen::Called), "there are more than 64");
}

#[tokio::test]
async fn whoever_stops_listening_is_not_waited_for() {
    let (server, token, mut seen) = witnessed(|_| {}).await;
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let listen = modern(&server, "subscriptions/listen", params).bearer_auth(&token);
    let mut events = Events::of(listen.send().await.unwrap());
    events.next().await.unwrap();
    assert_eq!(seen.recv().await, Some(Seen::Listening));
    drop(events);
    assert_eq!(seen.recv().await, Some(Seen::Ended));
}

/// Whichever comes first: the call is answered, or its session isn't found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_and_the_end_of_its_session_at_once() {
    let server = TestServer::builder().sessions(|_| {}).spawn().await;
    let token = server.oauth_token("ada").mint();
    for _ in 0..300 {
        let client = McpClient::connect(&server, &token).await;
        let message = call(5, "greet", &json!({ "name": "x" }));
        let (called, ended) = tokio::join!(
            client.post(&token, &message),
            client.request(Method::DELETE, &token).send()
        );
        assert_eq!(ended.unwrap().status(), 202);
        match called.status().as_u16() {
            200 => {}
            404 => assert_eq!(called.json::<Value>().await.unwrap()["id"], 5),
            status => panic!("{status}: {}", called.text().await.unwrap()),
        }
    }
}

/// Requests that reach another replica at once find the session there, all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_moves_takes_all_its_requests_along() {
    let store = Arc::new(MemoryStore::default());
    let (here, there) = (store.replica(|_| {}).await, store.replica(|_| {}).await);
    let (token_here, token_there) = (here.oauth_token("ada").mint(), there.oauth_token("ada").mint());
    for _ in 0..100 {
        let client = McpClient::connect(&here, &token_here).await;
        let moved = McpClient::at(&there, &client.id);
        let calls = (0..8).map(|_| moved.try_call(&token_there));
        for answer in join_all(calls).await {
            assert!(
                answer.as_ref().is_ok_and(|text| text.starts_with("Hello")),
                "{answer:?}"
            );
        }
    }
}

/// Whoever is told that there's no such session gives it up: it's only said when that is known.
#[tokio::test]
async fn a_session_that_cannot_be_fetched_now_is_not_lost() {
    let store = Arc::new(MemoryStore::default());
    let (witness, _seen) = Witness::new();
    let here = store.replica(|_| {}).await;
    let there = store.replica_of(witness.clone(), |_| {}).await;
    let client = McpClient::connect(&here, &here.oauth_token("ada").mint()).await;
    let (moved, token) = (McpClient::at(&there, &client.id), there.oauth_token("ada").mint());
    store.is_away.store(true, Ordering::Relaxed);
    assert_eq!(moved.status_of_call(&token).await, 503);
    store.is_away.store(false, Ordering::Relaxed);
    witness.refuses.store(true, Ordering::Relaxed);
    assert_eq!(moved.status_of_call(&token).await, 503);
    assert_eq!(store.len(), 1);
    witness.refuses.store(false, Ordering::Relaxed);
    until_let_in(&moved, &token).await;
}

/// Nor is one whose client gives up while it's fetched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_client_leaves_while_it_moves_is_not_lost() {
    let store = Arc::new(MemoryStore::default());
    let (mut witness, _seen) = Witness::new();
    witness.goes_on = Arc::new(Semaphore::new(0));
    let here = store.replica(|_| {}).await;
    let there = store.replica_of(witness.clone(), |_| {}).await;
    let client = McpClient::connect(&here, &here.oauth_token("ada").mint()).await;
    let (moved, token) = (McpClient::at(&there, &client.id), there.oauth_token("ada").mint());
    let impatient = moved
        .request(Method::POST, &token)
        .header("Accept", "application/json, text/event-stream")
        .json(&call(1, "any", &json!({})))
        .timeout(Duration::from_millis(200));
    assert!(impatient.send().await.is_err());
    assert_eq!(
        moved.status_of_call(&token).await,
        503,
        "it's still being fetched"
    );
    witness.goes_on.add_permits(1_000);
    until_let_in(&moved, &token).await;
}

/// Calls until the session can be had; a session that is given up would never be.
async fn until_let_in(client: &McpClient<'_>, token: &str) {
    loop {
        match client.status_of_call(token).await {
            200 => break,
            status => assert_eq!(status, 503),
        }
        tokio::task::yield_now().await;
    }
}

/// A session that its own server doesn't open isn't there, and takes no room anywhere.
#[tokio::test]
async fn a_session_that_is_refused_is_none() {
    let store = Arc::new(MemoryStore::default());
    let (witness, _seen) = Witness::new();
    witness.refuses.store(true, Ordering::Relaxed);
    let stored = Arc::clone(&store);
    let server = TestServer::builder()
        .sessions(|sessions| {
            sessions.max_per_user = 1;
            sessions.store = Some(stored);
        })
        .spawn_with(witness)
        .await;
    let token = server.oauth_token("ada").mint();
    for _ in 0..3 {
        let answer = open(&server, &token).await;
        assert_eq!(answer.header("mcp-session-id"), None);
        assert!(answer.body.contains("not today"), "{}", answer.body);
        assert_eq!(store.len(), 0);
    }
}

/// A full server has room for whoever gives up a place of their own.
#[tokio::test]
async fn one_s_own_silent_session_makes_room_on_a_full_server() {
    let server = TestServer::builder()
        .sessions(|sessions| sessions.max_in_all = 1)
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    let first = McpClient::connect(&server, &token).await;
    let second = McpClient::connect(&server, &token).await;
    assert_eq!(first.status_of_call(&token).await, 404);
    assert_eq!(second.status_of_call(&token).await, 200);
    let other = server.oauth_token("alan").mint();
    assert_eq!(open(&server, &other).await.status, 503);
}

#[tokio::test]
async fn other_methods_are_not_allowed_with_sessions_either() {
    for (server, allowed) in [
        (TestServer::spawn().await, "POST"),
        (
            TestServer::builder().sessions(|_| {}).spawn().await,
            "GET, POST, DELETE",
        ),
    ] {
        let token = server.oauth_token("ada").mint();
        for method in [Method::PUT, Method::PATCH, Method::HEAD] {
            let answer = Exchange::of(server.request(method, "/mcp").bearer_auth(&token)).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("allow")),
                (405, Some(allowed))
            );
        }
    }
}
