//! Tools that ask their client: within a session, and what becomes of it without one.

use clerk_mcp::context::get_session;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ElicitRequestParams,
        ElicitationSchema,
    },
    service::RequestContext,
};
use serde_json::json;

use crate::support::{
    Exchange, McpClient, TestServer,
    mcp_client::{Events, call, text_of},
    modern,
};

/// Tells what it knows of its caller, and asks its client.
#[derive(Clone)]
struct Curious;

impl ServerHandler for Curious {
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let text = if request.name == "session" {
            let session = get_session().unwrap();
            let version = context.protocol_version().unwrap();
            format!("{} {version}", session.token_type.as_str())
        } else {
            let question = ElicitRequestParams::FormElicitationParams {
                meta: None,
                message: "How are you?".to_owned(),
                requested_schema: ElicitationSchema::builder().build().unwrap(),
            };
            match context.peer.create_elicitation(question).await {
                Ok(answer) => format!("{:?}", answer.action),
                Err(_) => "may not ask".to_owned(),
            }
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

/// rmcp serves a session on tasks that the first request started. Each request still has its own caller.
#[tokio::test]
async fn a_tool_sees_the_session_of_its_own_request() {
    let server = TestServer::builder().sessions(|_| {}).spawn_with(Curious).await;
    let client = McpClient::connect(&server, &server.oauth_token("ada").mint()).await;
    for (token, seen) in [
        (server.session_token("ada"), "session_token 2025-11-25"),
        (server.oauth_token("ada"), "oauth_token 2025-11-25"),
    ] {
        let answer = client.call(&token.mint(), "session", &json!({})).await;
        assert_eq!(text_of(&answer), seen);
    }
}

#[tokio::test]
async fn a_tool_asks_its_client_within_a_session() {
    let server = TestServer::builder().sessions(|_| {}).spawn_with(Curious).await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let mut events = Events::of(client.post(&token, &call(1, "ask", &json!({}))).await);
    let question = events.next().await.unwrap();
    assert_eq!(question["method"], "elicitation/create");
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "decline" } });
    // Another caller cannot answer.
    let alan = server.oauth_token("alan").mint();
    assert_eq!(client.post(&alan, &answer).await.status(), 404);
    assert_eq!(client.post(&token, &answer).await.status(), 202);
    assert_eq!(text_of(&[events.next().await.unwrap()]), "Decline");
}

/// Without a session, an answer cannot reach the question. The tool gets an error at once instead of waiting.
#[tokio::test]
async fn a_tool_may_not_ask_without_a_session() {
    let server = TestServer::builder().spawn_with(Curious).await;
    let token = server.oauth_token("ada").mint();
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let call = async |tool: &str| {
            let request = server
                .rpc("tools/call", &json!({ "name": tool }))
                .bearer_auth(&token)
                .header("MCP-Protocol-Version", version)
                // A stale one, of a server that had sessions.
                .header("Mcp-Session-Id", "stale");
            let answer = Exchange::of(request).await;
            assert_eq!(answer.header("content-type"), Some("application/json"));
            text_of(&[answer.json()]).to_owned()
        };
        assert_eq!(call("ask").await, "may not ask");
        assert_eq!(call("session").await, format!("oauth_token {version}"));
    }
    let request = modern(&server, "tools/call", json!({ "name": "ask" })).bearer_auth(&token);
    assert_eq!(text_of(&[Exchange::of(request).await.json()]), "may not ask");
}
