//! Sessions, streams and notifications that end, and clients that disconnect, while work is in progress.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clerk_mcp::{app::App, context::get_session, mcp::McpSessions};
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
use tokio::sync::mpsc;

use crate::support::{
    Exchange, McpClient, TestServer,
    mcp_client::{Events, call},
    modern, open,
    server::{BASE_URL, RESOURCE, config},
};

/// What a [`Recorder`] saw.
#[derive(Debug, PartialEq)]
enum Seen {
    Called,
    /// A notification from this user.
    Notified(String),
    Listening,
    /// The handling of a notification or subscription ended.
    Ended,
}

/// A server that records what reaches it. Notifications and subscriptions never end by themselves.
#[derive(Clone)]
struct Recorder {
    seen: mpsc::UnboundedSender<Seen>,
    rejects_initialize: Arc<AtomicBool>,
}

/// Records [`Seen::Ended`] when it is dropped.
struct RecordEnd(mpsc::UnboundedSender<Seen>);

impl Drop for RecordEnd {
    fn drop(&mut self) {
        let _ = self.0.send(Seen::Ended);
    }
}

impl Recorder {
    fn new() -> (Self, mpsc::UnboundedReceiver<Seen>) {
        let (seen, receiver) = mpsc::unbounded_channel();
        let rejects_initialize = Arc::default();
        (
            Self {
                seen,
                rejects_initialize,
            },
            receiver,
        )
    }

    fn record(&self, event: Seen) -> RecordEnd {
        let _ = self.seen.send(event);
        RecordEnd(self.seen.clone())
    }
}

impl ServerHandler for Recorder {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder();
        ServerConfig::new(capabilities.enable_tools().enable_tool_list_changed().build())
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        if self.rejects_initialize.load(Ordering::Relaxed) {
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
        let _end = self.record(Seen::Listening);
        std::future::pending().await
    }

    async fn on_roots_list_changed(&self, _: NotificationContext<RoleServer>) {
        let user = get_session().map(|session| session.subject.clone());
        let _end = self.record(Seen::Notified(user.unwrap_or_default()));
        std::future::pending::<()>().await;
    }
}

/// Starts a recorder whose calls time out at 0.9 seconds.
async fn recorded() -> (TestServer, String, mpsc::UnboundedReceiver<Seen>) {
    let (recorder, seen) = Recorder::new();
    let server = TestServer::builder()
        .set("REQUEST_TIMEOUT", "1s")
        .sessions(|_| {})
        .spawn_with(recorder)
        .await;
    let token = server.oauth_token("ada").mint();
    (server, token, seen)
}

fn roots_changed() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" })
}

/// rmcp would keep a stream that was requested and never taken for as long as its session lives, so the
/// request is carried out although its client has disconnected.
#[tokio::test]
async fn a_request_in_a_session_is_carried_out_when_the_client_disconnects_at_once() {
    let clerk = LocalClerk::builder().start().await.unwrap();
    let mut values = HashMap::from([("BASE_URL", BASE_URL.to_owned())]);
    values.extend(clerk.environment());
    let config = config(&values).unwrap();
    let (recorder, mut seen) = Recorder::new();
    let app = App::builder(&config)
        .server(recorder)
        .sessions(McpSessions::default())
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
        // Runs the request to its first wait: rmcp has been asked for a stream.
        assert!(futures_util::poll!(request.as_mut()).is_pending());
        drop(request);
        assert_eq!(seen.recv().await, Some(Seen::Called), "{id}");
    }
}

#[tokio::test]
async fn a_notification_handler_sees_its_caller_and_times_out() {
    let (server, token, mut seen) = recorded().await;
    let client = McpClient::connect(&server, &token).await;
    assert_eq!(client.post(&token, &roots_changed()).await.status(), 202);
    let Some(Seen::Notified(user)) = seen.recv().await else {
        panic!("the notification did not arrive");
    };
    assert!(user.starts_with("user_"), "{user}");
    assert_eq!(seen.recv().await, Some(Seen::Ended));
}

#[tokio::test]
async fn at_most_64_notifications_of_a_session_are_handled_at_a_time() {
    let (recorder, mut seen) = Recorder::new();
    // With the default time limit, the handlers outlive this test.
    let server = TestServer::builder().sessions(|_| {}).spawn_with(recorder).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    for _ in 0..80 {
        assert_eq!(client.post(&token, &roots_changed()).await.status(), 202);
    }
    for _ in 0..64 {
        assert!(matches!(seen.recv().await, Some(Seen::Notified(_))));
    }
    // rmcp has dispatched every earlier notification when this call is answered.
    client.call(&token, "any", &json!({})).await;
    assert_eq!(seen.recv().await, Some(Seen::Called), "there are more than 64");
}

#[tokio::test]
async fn a_subscription_ends_when_its_client_disconnects() {
    let (server, token, mut seen) = recorded().await;
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let listen = modern(&server, "subscriptions/listen", params).bearer_auth(&token);
    let mut events = Events::of(listen.send().await.unwrap());
    events.next().await.unwrap();
    assert_eq!(seen.recv().await, Some(Seen::Listening));
    drop(events);
    assert_eq!(seen.recv().await, Some(Seen::Ended));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_during_the_deletion_of_its_session_is_served_or_not_found() {
    let server = TestServer::builder().sessions(|_| {}).spawn().await;
    let token = server.oauth_token("ada").mint();
    for _ in 0..300 {
        let client = McpClient::connect(&server, &token).await;
        let message = call(5, "greet", &json!({ "name": "x" }));
        let (called, deleted) = tokio::join!(
            client.post(&token, &message),
            client.request(Method::DELETE, &token).send()
        );
        assert_eq!(deleted.unwrap().status(), 202);
        match called.status().as_u16() {
            200 => {}
            404 => assert_eq!(called.json::<Value>().await.unwrap()["id"], 5),
            status => panic!("{status}: {}", called.text().await.unwrap()),
        }
    }
}

#[tokio::test]
async fn a_session_that_the_handler_rejects_has_no_id_and_takes_no_slot() {
    let (recorder, _seen) = Recorder::new();
    recorder.rejects_initialize.store(true, Ordering::Relaxed);
    let server = TestServer::builder()
        .sessions(|sessions| sessions.max_per_user = 1)
        .spawn_with(recorder.clone())
        .await;
    let token = server.oauth_token("ada").mint();
    for _ in 0..3 {
        let answer = open(&server, &token).await;
        assert_eq!(answer.header("mcp-session-id"), None);
        assert!(answer.body.contains("not today"), "{}", answer.body);
    }
    recorder.rejects_initialize.store(false, Ordering::Relaxed);
    McpClient::connect(&server, &token).await;
}

#[tokio::test]
async fn a_user_s_own_silent_session_makes_room_on_a_full_server() {
    let server = TestServer::builder()
        .sessions(|sessions| sessions.max_total = 1)
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
async fn other_methods_get_405_with_and_without_sessions() {
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
