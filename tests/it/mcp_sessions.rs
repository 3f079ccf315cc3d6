//! MCP sessions for clients of 2025-11-25 and older: ownership, limits, and how a session ends.

use std::time::Duration;

use clerk_mcp::policy::{Requirement, ToolPolicy};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{
    Exchange, McpClient, TestServer,
    mcp_client::{Events, text_of},
    modern, open,
};

async fn with_sessions() -> TestServer {
    TestServer::builder().sessions(|_| {}).spawn().await
}

#[tokio::test]
async fn a_tool_can_be_called_in_a_session() {
    let server = with_sessions().await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let answer = client.call(&token, "greet", &json!({ "name": "Ada" })).await;
    assert!(text_of(&answer).starts_with("Hello, Ada! Your Clerk user ID is user_"));
}

#[tokio::test]
async fn sessions_are_off_by_default() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    assert_eq!(open(&server, &token).await.header("mcp-session-id"), None);
    for method in [Method::GET, Method::DELETE] {
        let request = server
            .request(method, "/mcp")
            .bearer_auth(&token)
            .header("Accept", "text/event-stream")
            .header("Mcp-Session-Id", "any");
        assert_eq!(Exchange::of(request).await.status, 405);
    }
}

#[tokio::test]
async fn a_session_of_another_user_is_not_found() {
    let server = with_sessions().await;
    let (ada, alan) = (
        server.oauth_token("ada").mint(),
        server.oauth_token("alan").mint(),
    );
    let client = McpClient::connect(&server, &ada).await;
    let get = |token: &str| {
        client
            .request(Method::GET, token)
            .header("Accept", "text/event-stream")
    };
    let rejected = Exchange::of(client.request(Method::DELETE, &alan)).await;
    insta::assert_snapshot!(rejected.text(&[]), @r#"
    404 Not Found
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "jsonrpc": "2.0",
      "id": null,
      "error": {
        "code": -32600,
        "message": "Session not found; send initialize to open one"
      }
    }
    "#);
    assert_eq!(Exchange::of(get(&alan)).await.status, 404);
    assert_eq!(client.status_of_call(&alan).await, 404);
    // The session is still open for its owner.
    assert_eq!(client.status_of_call(&ada).await, 200);
    assert!(get(&ada).send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn an_invalid_session_id_is_not_found() {
    let server = with_sessions().await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let other = McpClient::connect(&server, &token).await;
    let altered = [
        "",
        "any",
        &client.id[1..],
        &format!("{}0", client.id),
        &client.id.to_uppercase(),
    ];
    for id in altered {
        let client = McpClient::at(&server, id);
        assert_eq!(client.status_of_call(&token).await, 404, "{id}");
        let delete = client.request(Method::DELETE, &token);
        assert_eq!(Exchange::of(delete).await.status, 404, "{id}");
    }
    let two_ids = client
        .request(Method::DELETE, &token)
        .header("Mcp-Session-Id", &other.id);
    assert_eq!(Exchange::of(two_ids).await.status, 404);
    for client in [client, other] {
        assert_eq!(client.status_of_call(&token).await, 200);
    }
}

/// With several replicas, requests have to be routed by `Mcp-Session-Id`.
#[tokio::test]
async fn a_session_of_another_replica_is_not_found_and_a_new_one_can_be_opened() {
    let (here, there) = (with_sessions().await, with_sessions().await);
    let client = McpClient::connect(&here, &here.oauth_token("ada").mint()).await;
    let token = there.oauth_token("ada").mint();
    assert_eq!(
        McpClient::at(&there, &client.id).status_of_call(&token).await,
        404
    );
    let reopened = McpClient::connect(&there, &token).await;
    assert_eq!(reopened.status_of_call(&token).await, 200);
}

#[tokio::test]
async fn a_session_outlives_the_token_that_opened_it() {
    let server = with_sessions().await;
    let first = server.session_token("ada").mint();
    let client = McpClient::connect(&server, &first).await;
    server.clock.advance(Duration::from_mins(10));
    assert_eq!(client.status_of_call(&first).await, 401, "expired");
    for token in [
        server.session_token("ada").mint(),
        server.oauth_token("ada").mint(),
    ] {
        assert_eq!(client.status_of_call(&token).await, 200);
    }
}

#[tokio::test]
async fn a_deleted_session_is_not_found() {
    let server = with_sessions().await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let delete = async || Exchange::of(client.request(Method::DELETE, &token)).await.status;
    assert_eq!(delete().await, StatusCode::ACCEPTED);
    assert_eq!(client.status_of_call(&token).await, 404);
    assert_eq!(delete().await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_request_that_needs_a_session_is_told_so() {
    let server = with_sessions().await;
    let token = server.oauth_token("ada").mint();
    let get = server
        .request(Method::GET, "/mcp")
        .bearer_auth(&token)
        .header("Accept", "text/event-stream");
    for request in [server.mcp().bearer_auth(&token), get] {
        let answer = Exchange::of(request).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["message"]),
            (
                400,
                &json!(
                    "This request needs a session: send initialize, then use the Mcp-Session-Id of its response"
                )
            )
        );
    }
}

#[tokio::test]
async fn other_faults_are_not_reported_as_a_missing_session() {
    let server = with_sessions().await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let request = server
        .mcp()
        .bearer_auth(&token)
        .header("MCP-Protocol-Version", "1999-01-01")
        .header("Mcp-Session-Id", &client.id);
    let answer = Exchange::of(request).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("1999-01-01"), "{}", answer.body);
    let request = server
        .rpc("initialize", &json!({ "protocolVersion": 7 }))
        .bearer_auth(&token);
    let answer = Exchange::of(request).await;
    assert_eq!(
        (
            answer.status.as_u16(),
            &answer.json()["error"]["code"],
            &answer.json()["id"]
        ),
        (400, &json!(-32602), &json!(1))
    );
}

#[tokio::test]
async fn a_session_above_the_total_limit_is_rejected() {
    let server = TestServer::builder()
        .sessions(|sessions| sessions.max_total = 1)
        .spawn()
        .await;
    let (ada, alan) = (
        server.oauth_token("ada").mint(),
        server.oauth_token("alan").mint(),
    );
    McpClient::connect(&server, &ada).await;
    let rejected = open(&server, &alan).await;
    assert_eq!(
        (
            rejected.status.as_u16(),
            rejected.header("retry-after"),
            &rejected.json()["error"]["code"]
        ),
        (503, Some("60"), &json!(-32000))
    );
    // Requests without a session are still served.
    let request = modern(&server, "tools/list", json!({})).bearer_auth(&alan);
    assert_eq!(Exchange::of(request).await.status, 200);
}

#[tokio::test]
async fn the_policy_applies_to_each_request_of_a_session() {
    let policy = ToolPolicy::new().require("greet", Requirement::new().scopes(["email"]));
    let server = TestServer::builder()
        .policy(policy)
        .sessions(|_| {})
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    assert_eq!(client.status_of_call(&token).await, 200);
    assert_eq!(
        client.status_of_call(&server.session_token("ada").mint()).await,
        403
    );
}

#[tokio::test]
async fn an_invalid_initialize_does_not_count_towards_the_limit() {
    let server = TestServer::builder()
        .sessions(|sessions| sessions.max_per_user = 1)
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    let invalid = server
        .rpc("initialize", &json!({ "protocolVersion": 7 }))
        .bearer_auth(&token);
    assert!(Exchange::of(invalid).await.status.is_client_error());
    McpClient::connect(&server, &token).await;
}

#[tokio::test]
async fn an_idle_session_ends() {
    let server = TestServer::builder()
        // The idle timeout is never shorter than the time limit of a call.
        .set("REQUEST_TIMEOUT", "1s")
        .sessions(|sessions| {
            sessions.max_per_user = 1;
            sessions.idle_timeout = Duration::ZERO;
        })
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let stream = client
        .request(Method::GET, &token)
        .header("Accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(
        Events::of(stream).next().await,
        None,
        "the stream ends with its session"
    );
    assert_eq!(client.status_of_call(&token).await, 404);
    assert_eq!(open(&server, &token).await.status, 200, "its slot is free");
}

/// An open stream must not delay the shutdown: the grace period for requests in flight is 20 s.
#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let server = TestServer::builder()
        .with_background()
        .sessions(|_| {})
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let stream = client
        .request(Method::GET, &token)
        .header("Accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    let mut events = Events::of(stream);
    let (rest, ()) = tokio::join!(events.next(), server.stop());
    assert_eq!(rest, None);
}

#[tokio::test]
async fn requests_of_2026_have_no_session_whatever_id_they_name() {
    let server = with_sessions().await;
    let (ada, alan) = (
        server.oauth_token("ada").mint(),
        server.oauth_token("alan").mint(),
    );
    let client = McpClient::connect(&server, &ada).await;
    for id in [client.id.as_str(), "any"] {
        let params = json!({ "name": "greet", "arguments": { "name": "Alan" } });
        let request = modern(&server, "tools/call", params)
            .bearer_auth(&alan)
            .header("Mcp-Session-Id", id);
        let answer = Exchange::of(request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("mcp-session-id")),
            (200, None)
        );
        assert!(answer.body.contains("Hello, Alan!"), "{}", answer.body);
        for method in [Method::GET, Method::DELETE] {
            let request = server
                .request(method, "/mcp")
                .bearer_auth(&ada)
                .header("Accept", "text/event-stream")
                .header("MCP-Protocol-Version", "2026-07-28")
                .header("Mcp-Session-Id", id);
            assert_eq!(Exchange::of(request).await.status, 405);
        }
    }
    assert_eq!(client.status_of_call(&ada).await, 200);
}
