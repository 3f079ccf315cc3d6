//! How much of a server one user, one session and one token may hold.

use std::{sync::Arc, time::Duration};

use clerk_mcp::{context::get_session, mcp::McpSessions};
use jiff::SignedDuration;
use reqwest::{Method, StatusCode, header::HeaderMap};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities,
        ServerConfig, SubscriptionFilter,
    },
    service::{RequestContext, SubscriptionContext},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use crate::support::{
    Exchange, McpClient, TestServer,
    mcp_client::{Events, call, initialize, text_of},
    modern, open, start_time,
};

/// Tools that are asked to wait, and one that isn't; and somebody to listen to.
#[derive(Clone)]
struct Patient {
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
    /// Who listens, or why nobody is known.
    listeners: mpsc::UnboundedSender<Result<String, String>>,
}

impl Patient {
    fn new() -> (Self, mpsc::UnboundedReceiver<Result<String, String>>) {
        let (listeners, listening) = mpsc::unbounded_channel();
        let (begun, go_on) = (Arc::default(), Arc::default());
        (
            Self {
                begun,
                go_on,
                listeners,
            },
            listening,
        )
    }
}

impl ServerHandler for Patient {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder()
                .enable_tools()
                .enable_tool_list_changed()
                .build(),
        )
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name == "wait" {
            self.begun.notify_one();
            self.go_on.notified().await;
        }
        Ok(CallToolResult::success(vec![ContentBlock::text("done")]).into())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, _: SubscriptionContext) -> Result<(), ErrorData> {
        let who = get_session().map(|session| session.subject.clone());
        let is_grace = who.as_ref().is_ok_and(|who| who.contains("Grace"));
        let _ = self.listeners.send(who.map_err(|error| error.to_string()));
        assert!(!is_grace, "with a secret in the message");
        std::future::pending().await
    }
}

async fn patient(change: impl FnOnce(&mut McpSessions)) -> (TestServer, Patient) {
    let (patient, _) = Patient::new();
    let server = TestServer::builder()
        .sessions(change)
        .spawn_with(patient.clone())
        .await;
    (server, patient)
}

#[tokio::test]
async fn one_more_session_ends_the_one_that_was_silent_for_longest() {
    let server = TestServer::builder()
        .sessions(|sessions| sessions.max_per_user = 2)
        .spawn()
        .await;
    let (ada, alan) = (
        server.oauth_token("ada").mint(),
        server.oauth_token("alan").mint(),
    );
    let other = McpClient::connect(&server, &alan).await;
    let first = McpClient::connect(&server, &ada).await;
    let second = McpClient::connect(&server, &ada).await;
    assert_eq!(first.status_of_call(&ada).await, 200);
    let third = McpClient::connect(&server, &ada).await;
    assert_eq!(second.status_of_call(&ada).await, 404);
    for (client, token) in [(&first, &ada), (&third, &ada), (&other, &alan)] {
        assert_eq!(client.status_of_call(token).await, 200);
    }
}

#[tokio::test]
async fn sessions_that_are_busy_are_not_ended_for_another() {
    let (server, patient) = patient(|sessions| sessions.max_per_user = 1).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let mut events = Events::of(client.post(&token, &call(1, "wait", &json!({}))).await);
    patient.begun.notified().await;
    let refused = open(&server, &token).await;
    insta::assert_snapshot!(refused.text(&[]), @r#"
    429 Too Many Requests
    cache-control: no-store
    content-length: [length]
    content-type: application/json; charset=utf-8
    date: [date]
    retry-after: 60
    vary: Origin
    x-content-type-options: nosniff
    x-request-id: [uuid]

    {
      "jsonrpc": "2.0",
      "id": 1,
      "error": {
        "code": -32000,
        "message": "You have too many sessions, and all are busy: end one (DELETE with its Mcp-Session-Id), or wait"
      }
    }
    "#);
    patient.go_on.notify_one();
    assert_eq!(text_of(&[events.next().await.unwrap()]), "done");
    assert_eq!(open(&server, &token).await.status, 200);
}

/// Only a session that is opened costs another its place.
#[tokio::test]
async fn a_refused_initialize_ends_no_session() {
    let server = TestServer::builder()
        .sessions(|sessions| sessions.max_per_user = 1)
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    for (name, value, status) in [
        ("Accept", "text/html", 406),
        ("MCP-Protocol-Version", "2025-06-18", 400),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let request = initialize(&server, &token).headers(headers);
        assert_eq!(Exchange::of(request).await.status, status, "{name}");
        assert_eq!(client.status_of_call(&token).await, 200, "{name}");
    }
}

/// Each ends one that the other doesn't.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sessions_more_at_once_end_two() {
    let server = TestServer::builder()
        .sessions(|sessions| sessions.max_per_user = 2)
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    for _ in 0..20 {
        let old = [(); 2].map(|()| McpClient::connect(&server, &token));
        let old = futures_util::future::join_all(old).await;
        let new = tokio::join!(open(&server, &token), open(&server, &token));
        assert_eq!([new.0.status, new.1.status], [StatusCode::OK; 2]);
        for client in old {
            assert_eq!(client.status_of_call(&token).await, 404);
        }
    }
}

/// Whichever comes first, the other is told so; nothing breaks in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_and_one_more_session_at_once() {
    let server = TestServer::builder()
        .sessions(|sessions| sessions.max_per_user = 1)
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    let mut client = McpClient::connect(&server, &token).await;
    for _ in 0..500 {
        let call = async { client.try_call(&token).await };
        let (called, opened) = tokio::join!(call, open(&server, &token));
        match called {
            Ok(answer) => assert!(answer.starts_with("Hello, x!"), "{answer}"),
            Err((status, body)) => assert_eq!(status, 404, "{body}"),
        }
        match opened.header("mcp-session-id") {
            Some(id) => client = McpClient::at(&server, id),
            None => assert_eq!(opened.status, 429),
        }
    }
}

#[tokio::test]
async fn a_session_has_only_so_many_requests_in_flight() {
    let (server, patient) = patient(|sessions| sessions.max_calls_per_session = 2).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let mut streams = Vec::new();
    for id in [1, 2] {
        streams.push(Events::of(
            client.post(&token, &call(id, "wait", &json!({}))).await,
        ));
        patient.begun.notified().await;
    }
    let answer = client.post(&token, &call(3, "other", &json!({}))).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!(3), &json!(-32000))
    );
    patient.go_on.notify_waiters();
    for events in &mut streams {
        assert_eq!(text_of(&[events.next().await.unwrap()]), "done");
    }
    for _ in 0..3 {
        assert_eq!(text_of(&client.call(&token, "other", &json!({})).await), "done");
    }
}

/// Answers are told apart by ids: of two requests with one id, one would wait for ever.
#[tokio::test]
async fn an_id_is_in_flight_once() {
    let (server, patient) = patient(|_| {}).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let mut events = Events::of(client.post(&token, &call(1, "wait", &json!({}))).await);
    patient.begun.notified().await;
    let answer = client.post(&token, &call(1, "other", &json!({}))).await;
    assert_eq!(answer.status(), 400);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!(1), &json!(-32600))
    );
    patient.go_on.notify_one();
    assert_eq!(text_of(&[events.next().await.unwrap()]), "done");
}

/// A stream is no way to go on with a token that has expired.
#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let (server, _) = patient(|_| {}).await;
    let token = server.session_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    // The last tenth of a second of the minute that the token is good for.
    server.clock.advance(Duration::from_millis(59_900));
    let stream = client
        .request(Method::GET, &token)
        .header("Accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(Events::of(stream).next().await, None);
    // Long enough for the first event, on a busy machine too.
    server.clock.set(start_time() + SignedDuration::from_secs(58));
    let listen = modern(
        &server,
        "subscriptions/listen",
        json!({ "notifications": { "toolsListChanged": true } }),
    )
    .bearer_auth(&token)
    .send()
    .await
    .unwrap();
    let mut events = Events::of(listen);
    assert_eq!(
        events.next().await.unwrap()["method"],
        "notifications/subscriptions/acknowledged"
    );
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn whoever_listens_has_a_session() {
    let (patient, mut listening) = Patient::new();
    let server = TestServer::builder().spawn_with(patient).await;
    let listen = async |user: &str| {
        let params = json!({ "notifications": { "toolsListChanged": true } });
        let request =
            modern(&server, "subscriptions/listen", params).bearer_auth(server.oauth_token(user).mint());
        let mut events = Events::of(request.send().await.unwrap());
        assert_eq!(
            events.next().await.unwrap()["method"],
            "notifications/subscriptions/acknowledged"
        );
        events
    };
    let _events = listen("ada").await;
    assert!(listening.recv().await.unwrap().unwrap().contains("Ada"));
    // A handler that panics ends the stream, with an answer that says so.
    let mut events = listen("grace").await;
    assert!(listening.recv().await.unwrap().unwrap().contains("Grace"));
    let answer = events.next().await.unwrap();
    assert_eq!(
        answer["error"],
        json!({ "code": -32603, "message": "Internal error" })
    );
}

/// Parsed, a body takes a hundred times its room, unless there's a limit on what it consists of.
#[tokio::test]
async fn a_body_of_many_values_is_not_parsed() {
    let server = TestServer::spawn().await;
    let arguments = format!("{{\"name\":[{}]}}", vec!["[]"; 1_000_000].join(","));
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"greet","arguments":{arguments}}}}}"#
    );
    let request = server
        .request(Method::POST, "/mcp")
        .bearer_auth(server.oauth_token("ada").mint())
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .body(body);
    let answer = Exchange::of(request).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["message"]),
        (400, &json!("The message consists of too many values"))
    );
}
