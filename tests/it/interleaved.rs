//! Concurrent calls of several users: each tool call sees the session of its own caller.

use clerk_mcp::context::get_session;
use futures_util::{StreamExt, stream};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock},
    service::RequestContext,
};
use serde_json::json;

use crate::support::{Exchange, McpClient, TestServer, modern};

/// A tool that returns its caller's subject twice, read before and after a yield to other calls.
#[derive(Clone)]
struct Subject;

impl ServerHandler for Subject {
    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let before = get_session().unwrap().subject.clone();
        tokio::task::yield_now().await;
        let after = get_session().unwrap().subject.clone();
        let text = ContentBlock::text(format!("{before} {after}"));
        Ok(CallToolResult::success(vec![text]).into())
    }
}

const CALLS: usize = 10_000;
const AT_ONCE: usize = 64;

/// Returns the text that the tool has to return to `user`.
fn expected_text(server: &TestServer, user: &str) -> String {
    let token = server.oauth_token(user).mint();
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let subject = claims["sub"].as_str().unwrap();
    format!("{subject} {subject}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_calls_of_two_users_see_their_own_caller() {
    let server = TestServer::builder().spawn_with(Subject).await;
    let users = ["ada", "alan"].map(|user| (server.oauth_token(user).mint(), expected_text(&server, user)));
    let calls = stream::iter(0..CALLS).map(|index| {
        let (token, expected) = &users[index % 2];
        // Alternates between both eras, which rmcp serves by different code.
        let request = if index / 2 % 2 == 0 {
            server.rpc("tools/call", &json!({ "name": "subject" }))
        } else {
            modern(&server, "tools/call", json!({ "name": "subject" }))
        };
        let request = request.bearer_auth(token);
        async move {
            let answer = Exchange::of(request).await.json();
            assert_eq!(answer["result"]["content"][0]["text"], *expected);
        }
    });
    assert_eq!(calls.buffer_unordered(AT_ONCE).count().await, CALLS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_calls_in_sessions_see_their_own_caller() {
    let server = TestServer::builder().sessions(|_| {}).spawn_with(Subject).await;
    let mut callers = Vec::new();
    for user in ["ada", "alan", "ada", "alan"] {
        let token = server.oauth_token(user).mint();
        let client = McpClient::connect(&server, &token).await;
        callers.push((client, token, expected_text(&server, user)));
    }
    let calls = stream::iter(0..CALLS).map(|index| {
        let (client, token, expected) = &callers[index % callers.len()];
        async move {
            let answer = client.call(token, "subject", &json!({})).await;
            assert_eq!(answer.last().unwrap()["result"]["content"][0]["text"], *expected);
        }
    });
    assert_eq!(calls.buffer_unordered(AT_ONCE).count().await, CALLS);
}
