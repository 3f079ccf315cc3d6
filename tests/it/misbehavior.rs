//! Handlers that panic, hang or flood: their client gets a response, and other requests are not affected.

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

/// A server whose tools each misbehave in a different way.
#[derive(Clone, Default)]
struct Bad {
    begun: Arc<Notify>,
    ended: Arc<Notify>,
}

/// Notifies when it is dropped.
struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
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
        let _ended = NotifyOnDrop(Arc::clone(&self.ended));
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

/// Starts a server whose calls time out after 1.8 seconds.
async fn server(with_sessions: bool) -> (TestServer, Bad) {
    server_with("2s", with_sessions).await
}

/// Starts a server whose calls time out at 90 % of `limit`. Its key set is fetched beforehand, so that a call
/// does not have to wait for it.
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

/// Calls a tool in each way (2026-07-28, an older revision, and in a session), and returns the responses.
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
async fn a_panic_in_a_tool_is_an_internal_error() {
    for answer in answers("panic").await {
        assert_eq!(
            answer["error"],
            json!({ "code": -32603, "message": "Internal error" })
        );
    }
}

#[tokio::test]
async fn a_tool_that_exceeds_the_time_limit_fails_with_a_tool_result() {
    for answer in answers("sleep").await {
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert_eq!(
            answer["result"]["content"][0]["text"],
            "This call timed out after 1.8 seconds. Trying again may help."
        );
    }
}

/// The time limit for the HTTP request does not apply once the response has begun.
#[tokio::test]
async fn the_time_limit_applies_after_a_tool_has_sent_progress() {
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
async fn another_handler_that_exceeds_the_time_limit_is_a_json_rpc_error() {
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

/// A handler that is not an `async fn` can panic before it returns a future.
#[tokio::test]
async fn a_panic_before_the_future_is_an_internal_error() {
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
async fn a_tool_can_return_five_megabytes() {
    for answer in answers("flood").await {
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(text.len(), 5_000_000);
    }
}

#[tokio::test]
async fn a_task_that_a_tool_spawns_has_no_session() {
    for answer in answers("spawn").await {
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("[Clerk] Session not initialized."), "{text}");
    }
}

#[tokio::test]
async fn a_call_in_a_session_is_cancelled_by_a_notification() {
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

/// The client may reconnect and resume the stream (MCP 2025-11-25, "Resumability and Redelivery").
#[tokio::test]
async fn a_call_in_a_session_runs_until_its_time_limit_after_its_client_disconnects() {
    // Long enough for two requests, even on a busy machine.
    let (server, bad) = server_with("6s", true).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let stream = client.post(&token, &call(1, "sleep", &json!({}))).await;
    bad.begun.notified().await;
    drop(stream);
    // When the next request is answered, the server has processed the disconnect.
    let ping = json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" });
    let mut events = Events::of(client.post(&token, &ping).await);
    assert_eq!(events.next().await.unwrap()["result"], json!({}));
    let mut ended = pin!(bad.ended.notified());
    assert!(ended.as_mut().now_or_never().is_none(), "the call keeps running");
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

#[tokio::test]
async fn a_tool_fails_when_clerk_is_slower_than_the_time_limit() {
    let server = TestServer::builder().set("REQUEST_TIMEOUT", "2s").spawn().await;
    assert_eq!(server.status_of(server.oauth_token("ada")).await, 200);
    server.clerk.inject(Fault::Hold.at(Endpoint::BackendUser));
    let answer = server
        .call(&server.oauth_token("ada").mint(), "whoami", json!({}))
        .await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
}
