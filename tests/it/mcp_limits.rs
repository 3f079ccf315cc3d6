//! Limits on what one user, one session and one token can use.

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
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::{Notify, mpsc},
};

use crate::support::{
    Exchange, McpClient, TestServer,
    mcp_client::{Events, call, initialize, text_of},
    modern, open, start_time,
};

/// A server with the tool `wait`, which answers when `proceed` is notified. Every other tool answers at once.
#[derive(Clone)]
struct Waiting {
    /// Notified when a call of `wait` begins.
    begun: Arc<Notify>,
    proceed: Arc<Notify>,
    /// Receives the subject of each subscriber, or the error of `get_session`.
    subscribers: mpsc::UnboundedSender<Result<String, String>>,
}

impl Waiting {
    fn new() -> (Self, mpsc::UnboundedReceiver<Result<String, String>>) {
        let (subscribers, receiver) = mpsc::unbounded_channel();
        let (begun, proceed) = (Arc::default(), Arc::default());
        (
            Self {
                begun,
                proceed,
                subscribers,
            },
            receiver,
        )
    }
}

impl ServerHandler for Waiting {
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
            self.proceed.notified().await;
        }
        Ok(CallToolResult::success(vec![ContentBlock::text("done")]).into())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, _: SubscriptionContext) -> Result<(), ErrorData> {
        let subject = get_session().map(|session| session.subject.clone());
        let is_grace = subject.as_ref().is_ok_and(|subject| subject.contains("Grace"));
        let _ = self.subscribers.send(subject.map_err(|error| error.to_string()));
        assert!(!is_grace, "with a secret in the message");
        std::future::pending().await
    }
}

async fn waiting(change: impl FnOnce(&mut McpSessions)) -> (TestServer, Waiting) {
    let (waiting, _) = Waiting::new();
    let server = TestServer::builder()
        .sessions(change)
        .spawn_with(waiting.clone())
        .await;
    (server, waiting)
}

#[tokio::test]
async fn a_session_above_the_user_limit_ends_the_longest_silent_one() {
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
async fn a_session_above_the_user_limit_is_rejected_when_all_are_busy() {
    let (server, waiting) = waiting(|sessions| sessions.max_per_user = 1).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let mut events = Events::of(client.post(&token, &call(1, "wait", &json!({}))).await);
    waiting.begun.notified().await;
    let rejected = open(&server, &token).await;
    insta::assert_snapshot!(rejected.text(&[]), @r#"
    429 Too Many Requests
    cache-control: no-store
    content-type: application/json; charset=utf-8
    retry-after: 60
    vary: Origin

    {
      "jsonrpc": "2.0",
      "id": 1,
      "error": {
        "code": -32000,
        "message": "You have too many sessions, and all of them are busy: end one (DELETE with its Mcp-Session-Id), or wait"
      }
    }
    "#);
    waiting.proceed.notify_one();
    assert_eq!(text_of(&[events.next().await.unwrap()]), "done");
    assert_eq!(open(&server, &token).await.status, 200);
}

#[tokio::test]
async fn an_initialize_that_is_rejected_ends_no_session() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_concurrent_sessions_above_the_limit_end_two_different_sessions() {
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

/// Either the call is in flight first and the new session is rejected, or the session is evicted first and
/// the call gets 404.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_during_the_eviction_of_its_session_is_served_or_not_found() {
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
async fn a_request_above_the_session_s_limit_is_rejected() {
    let (server, waiting) = waiting(|sessions| sessions.max_requests_per_session = 2).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let mut streams = Vec::new();
    for id in [1, 2] {
        streams.push(Events::of(
            client.post(&token, &call(id, "wait", &json!({}))).await,
        ));
        waiting.begun.notified().await;
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
    waiting.proceed.notify_waiters();
    for events in &mut streams {
        assert_eq!(text_of(&[events.next().await.unwrap()]), "done");
    }
    for _ in 0..3 {
        assert_eq!(text_of(&client.call(&token, "other", &json!({})).await), "done");
    }
}

/// Responses are matched by id: with two requests of the same id, one would never be answered.
#[tokio::test]
async fn a_request_id_that_is_in_flight_is_rejected() {
    let (server, waiting) = waiting(|_| {}).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let mut events = Events::of(client.post(&token, &call(1, "wait", &json!({}))).await);
    waiting.begun.notified().await;
    let answer = client.post(&token, &call(1, "other", &json!({}))).await;
    assert_eq!(answer.status(), 400);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!(1), &json!(-32600))
    );
    waiting.proceed.notify_one();
    assert_eq!(text_of(&[events.next().await.unwrap()]), "done");
}

#[tokio::test]
async fn a_stream_ends_when_its_token_expires() {
    let (server, _) = waiting(|_| {}).await;
    let token = server.session_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    // The token is valid for 60 s, so 0.1 s are left.
    server.clock.advance(Duration::from_millis(59_900));
    let stream = client
        .request(Method::GET, &token)
        .header("Accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(Events::of(stream).next().await, None);
    // 2 s are left: long enough for the first event, even on a busy machine.
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
async fn a_subscription_handler_sees_its_caller_and_may_panic() {
    let (waiting, mut subscribers) = Waiting::new();
    let server = TestServer::builder().spawn_with(waiting).await;
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
    assert!(subscribers.recv().await.unwrap().unwrap().contains("Ada"));
    // A handler that panics ends the stream with an error response.
    let mut events = listen("grace").await;
    assert!(subscribers.recv().await.unwrap().unwrap().contains("Grace"));
    let answer = events.next().await.unwrap();
    assert_eq!(
        answer["error"],
        json!({ "code": -32603, "message": "Internal error" })
    );
}

/// A parsed body takes up to a hundred times its size in memory, so the number of values is limited before
/// parsing.
#[tokio::test]
async fn a_body_of_too_many_values_is_rejected() {
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
        (400, &json!("The message has too many values"))
    );
}

/// Opens a connection and sends the head of a message of `declared` bytes, and `sent` bytes of it.
async fn upload(server: &TestServer, token: &str, declared: usize, sent: usize) -> BufReader<TcpStream> {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: \
         application/json\r\nContent-Length: {declared}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; sent]).await.unwrap();
    BufReader::new(stream)
}

/// Returns the head of a response.
async fn head_of(stream: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.unwrap() > 0 {}
    head
}

#[tokio::test]
async fn content_length_above_the_limit_is_rejected_before_the_body_is_sent() {
    let server = TestServer::builder().set("MAX_BODY", "64 KiB").spawn().await;
    let token = server.oauth_token("ada").mint();
    let mut stream = upload(&server, &token, 64 * 1024 + 1, 0).await;
    let head = head_of(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    // A client that sends the body anyway gets the response, not a reset connection.
    let mut stream = upload(&server, &token, 1024 * 1024, 1024 * 1024).await;
    let head = head_of(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
}

/// A client that asks first does not send the body.
#[tokio::test]
async fn too_large_body_is_not_asked_for() {
    let server = TestServer::builder().set("MAX_BODY", "64 KiB").spawn().await;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: \
         application/json\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n",
        server.oauth_token("ada").mint(),
    );
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head_of(&mut BufReader::new(stream)).await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
}

#[tokio::test]
async fn large_bodies_of_one_user_are_limited() {
    let server = TestServer::builder().set("MAX_BODY", "64 KiB").spawn().await;
    let [ada, alan] = ["ada", "alan"].map(|user| server.oauth_token(user).mint());
    // The limit is twice 64 KiB. The server has read each part when the next request is answered.
    let mut uploads = Vec::new();
    for _ in 0..3 {
        uploads.push(upload(&server, &ada, 64 * 1024, 60 * 1024).await);
    }
    let (rejected, index, rest) =
        futures_util::future::select_all(uploads.iter_mut().map(|stream| Box::pin(head_of(stream)))).await;
    drop(rest);
    assert!(
        rejected.starts_with("HTTP/1.1 429") && rejected.contains("retry-after: 1\r\n"),
        "{rejected}"
    );
    let mut alans = upload(&server, &alan, 64 * 1024, 64 * 1024).await;
    let answer = head_of(&mut alans).await;
    assert!(
        answer.starts_with("HTTP/1.1 400"),
        "it is read, but not JSON: {answer}"
    );
    // A message that was answered no longer counts.
    drop(uploads.remove(index));
    let mut finished = uploads.pop().unwrap();
    finished.write_all(&[b' '; 4 * 1024]).await.unwrap();
    let answer = head_of(&mut finished).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let mut next = upload(&server, &ada, 64 * 1024, 64 * 1024).await;
    let answer = head_of(&mut next).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn large_bodies_of_all_users_are_limited() {
    let server = TestServer::builder().set("MAX_BODY", "64 KiB").spawn().await;
    let mut uploads = Vec::new();
    // The limit is 8 times 64 KiB.
    for user in 0..6 {
        let token = server
            .oauth_token("ada")
            .claim("sub", format!("user_{user}"))
            .mint();
        for _ in 0..2 {
            uploads.push(upload(&server, &token, 64 * 1024, 60 * 1024).await);
        }
    }
    let heads = uploads.iter_mut().map(|stream| Box::pin(head_of(stream)));
    let (rejected, ..) = futures_util::future::select_all(heads).await;
    assert!(
        rejected.starts_with("HTTP/1.1 503") && rejected.contains("retry-after: 1\r\n"),
        "{rejected}"
    );
}
