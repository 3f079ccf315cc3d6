//! Tools that do what they shouldn't: whatever it is, the client gets an answer, and nobody else notices.

use std::{pin::pin, sync::Arc};

use clerk_mcp::context::get_session;
use futures_util::FutureExt;
use local_clerk::{Endpoint, Fault};
use reqwest::Method;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListPromptsResult,
        ListResourcesResult, PaginatedRequestParams, ProgressNotificationParam, ProgressToken,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{
    Exchange, McpClient, TestServer,
    mcp_client::{Events, call},
    modern,
};

/// One bad tool per name.
#[derive(Clone, Default)]
struct Bad {
    begun: Arc<Notify>,
    ended: Arc<Notify>,
}

/// Tells when it's dropped.
struct Ended(Arc<Notify>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl ServerHandler for Bad {
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let _ended = Ended(Arc::clone(&self.ended));
        self.begun.notify_one();
        let text = match request.name.as_ref() {
            "panic" => panic!("with a secret in the message"),
            "sleep" => std::future::pending().await,
            "talk and sleep" => {
                let progress = ProgressNotificationParam::new(
                    ProgressToken(rmcp::model::NumberOrString::Number(1)),
                    1.0,
                );
                context.peer.notify_progress(progress).await.unwrap();
                std::future::pending().await
            }
            "flood" => "x".repeat(5_000_000),
            "spawn" => tokio::spawn(async { get_session().unwrap_err().to_string() })
                .await
                .unwrap(),
            other => panic!("no tool {other}"),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        std::future::pending().await
    }

    fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListResourcesResult, ErrorData>> {
        assert!(std::hint::black_box(false), "with a secret in the message");
        std::future::pending()
    }
}

/// A server of bad tools, which may take 1.8 seconds. It has its keys, so that nothing else takes time.
async fn server(with_sessions: bool) -> (TestServer, Bad) {
    server_with("2s", with_sessions).await
}

/// The same with another time limit, of which calls have nine tenths.
async fn server_with(limit: &str, with_sessions: bool) -> (TestServer, Bad) {
    let bad = Bad::default();
    let mut server = TestServer::builder().set("REQUEST_TIMEOUT", limit);
    if with_sessions {
        server = server.sessions(|_| {});
    }
    let server = server.spawn_with(bad.clone()).await;
    server.status_of(server.oauth_token("ada")).await;
    (server, bad)
}

/// The answer of each way to call: in either era, and within a session.
async fn answers(tool: &str) -> [Value; 3] {
    let (server, _) = server(true).await;
    let (stateless, _) = self::server(false).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let modern = modern(&server, "tools/call", json!({ "name": tool })).bearer_auth(&token);
    let legacy = stateless
        .rpc("tools/call", &json!({ "name": tool }))
        .bearer_auth(stateless.oauth_token("ada").mint());
    let no_arguments = json!({});
    let (modern, legacy, session) = tokio::join!(
        Exchange::of(modern),
        Exchange::of(legacy),
        client.call(&token, tool, &no_arguments)
    );
    assert_eq!((modern.status.as_u16(), legacy.status.as_u16()), (200, 200));
    [modern.json(), legacy.json(), session.last().unwrap().clone()]
}

#[tokio::test]
async fn a_tool_that_panics() {
    for answer in answers("panic").await {
        assert_eq!(
            answer["error"],
            json!({ "code": -32603, "message": "Internal error" })
        );
    }
}

#[tokio::test]
async fn a_tool_that_sleeps_past_the_time_limit() {
    for answer in answers("sleep").await {
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert_eq!(
            answer["result"]["content"][0]["text"],
            "This took longer than the 1.8 seconds that it may, and was stopped. Trying again may help."
        );
    }
}

/// An answer that has begun has no time limit of HTTP's left.
#[tokio::test]
async fn a_tool_that_begins_to_answer_and_then_sleeps() {
    let (server, bad) = server(false).await;
    let response = server
        .rpc("tools/call", &json!({ "name": "talk and sleep" }))
        .bearer_auth(server.oauth_token("ada").mint())
        .send()
        .await
        .unwrap();
    let mut events = Events::of(response);
    assert_eq!(events.next().await.unwrap()["method"], "notifications/progress");
    assert_eq!(events.next().await.unwrap()["result"]["isError"], true);
    assert_eq!(events.next().await, None);
    bad.ended.notified().await;
}

#[tokio::test]
async fn another_handler_that_sleeps() {
    let (server, _) = server(false).await;
    let request = server
        .rpc("prompts/list", &json!({}))
        .bearer_auth(server.oauth_token("ada").mint());
    let answer = Exchange::of(request).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["code"]),
        (200, &json!(-32603))
    );
}

/// A handler need not be an `async fn`.
#[tokio::test]
async fn a_handler_that_panics_before_there_is_anything_to_wait_for() {
    let (server, _) = server(false).await;
    let request = server
        .rpc("resources/list", &json!({}))
        .bearer_auth(server.oauth_token("ada").mint());
    assert_eq!(
        Exchange::of(request).await.json()["error"],
        json!({ "code": -32603, "message": "Internal error" })
    );
}

#[tokio::test]
async fn a_tool_that_returns_five_megabytes() {
    for answer in answers("flood").await {
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(text.len(), 5_000_000);
    }
}

#[tokio::test]
async fn a_tool_that_asks_for_the_session_in_a_task_of_its_own() {
    for answer in answers("spawn").await {
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("[Clerk] Session not initialized."), "{text}");
    }
}

#[tokio::test]
async fn a_call_that_is_taken_back() {
    let (server, bad) = server(true).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let _stream = client.post(&token, &call(1, "sleep", &json!({}))).await;
    bad.begun.notified().await;
    let cancelled =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    assert_eq!(client.post(&token, &cancelled).await.status(), 202);
    bad.ended.notified().await;
}

/// A session's calls go on while nobody listens, for the client may come back for the answer (MCP 2025-11-25, "Resumability
/// and Redelivery"), but not for ever.
#[tokio::test]
async fn a_client_of_a_session_that_goes_away_leaves_its_call_its_time() {
    // Long enough for two requests, on a busy machine too.
    let (server, bad) = server_with("6s", true).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let stream = client.post(&token, &call(1, "sleep", &json!({}))).await;
    bad.begun.notified().await;
    drop(stream);
    // Whatever the end of the connection ends has ended when the next request is answered.
    let ping = json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" });
    let mut events = Events::of(client.post(&token, &ping).await);
    assert_eq!(events.next().await.unwrap()["result"], json!({}));
    let mut ended = pin!(bad.ended.notified());
    assert!(ended.as_mut().now_or_never().is_none(), "the call goes on");
    ended.await;
    assert_eq!(
        client
            .request(Method::DELETE, &token)
            .send()
            .await
            .unwrap()
            .status(),
        202
    );
}

/// A Clerk that is slower than the whole request may be: the tool fails, the server doesn't.
#[tokio::test]
async fn a_slow_clerk_is_a_tool_s_failure() {
    let server = TestServer::builder().set("REQUEST_TIMEOUT", "2s").spawn().await;
    assert_eq!(server.status_of(server.oauth_token("ada")).await, 200);
    server.clerk.inject(Fault::Hold.at(Endpoint::BackendUser));
    let answer = server
        .call(&server.oauth_token("ada").mint(), "whoami", json!({}))
        .await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
}
