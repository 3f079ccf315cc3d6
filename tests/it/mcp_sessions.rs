//! Sessions for clients of 2025-11-25 and before: whose they are, how many, how they end.

use std::{sync::Arc, time::Duration};

use clerk_mcp::policy::{Requirement, ToolPolicy};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{
    Exchange, McpClient, TestServer,
    mcp_client::{Events, text_of},
    memory_store::MemoryStore,
    modern, open,
};

async fn with_sessions() -> TestServer {
    TestServer::builder().sessions(|_| {}).spawn().await
}

#[tokio::test]
async fn a_session_is_offered_and_used() {
    let server = with_sessions().await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let answer = client.call(&token, "greet", &json!({ "name": "Ada" })).await;
    assert!(text_of(&answer).starts_with("Hello, Ada! Your Clerk user ID is user_"));
}

#[tokio::test]
async fn without_the_option_there_are_none() {
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
async fn a_stolen_id_is_worth_nothing() {
    let server = with_sessions().await;
    let (ada, alan) = (
        server.oauth_token("ada").mint(),
        server.oauth_token("alan").mint(),
    );
    let client = McpClient::connect(&server, &ada).await;
    let own = McpClient::connect(&server, &alan).await;
    let get = |token: &str| {
        client
            .request(Method::GET, token)
            .header("Accept", "text/event-stream")
    };
    let refused = Exchange::of(client.request(Method::DELETE, &alan)).await;
    insta::assert_snapshot!(refused.text(&[]), @r#"
    404 Not Found
    cache-control: no-store
    content-length: [length]
    content-type: application/json; charset=utf-8
    date: [date]
    vary: Origin
    x-content-type-options: nosniff
    x-request-id: [uuid]

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
    // The id alone, as the process knows it; and with the proof of another session.
    let (bare, _) = client.id.split_once('.').unwrap();
    let (_, proof) = own.id.split_once('.').unwrap();
    for id in [bare.to_owned(), format!("{bare}."), format!("{bare}.{proof}")] {
        for token in [&ada, &alan] {
            let thief = McpClient::at(&server, &id);
            assert_eq!(thief.status_of_call(token).await, 404, "{id}");
            assert_eq!(
                Exchange::of(thief.request(Method::DELETE, token)).await.status,
                404
            );
        }
    }
    // Two ids are none.
    let twice = client
        .request(Method::DELETE, &ada)
        .header("Mcp-Session-Id", &own.id);
    assert_eq!(Exchange::of(twice).await.status, 404);
    assert_eq!(
        client.status_of_call(&ada).await,
        200,
        "it's still there, and its owner's"
    );
    assert!(get(&ada).send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn a_session_outlives_its_first_token() {
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
async fn a_session_that_was_ended_is_gone() {
    let server = with_sessions().await;
    let token = server.oauth_token("ada").mint();
    let client = McpClient::connect(&server, &token).await;
    let end = async || Exchange::of(client.request(Method::DELETE, &token)).await.status;
    assert_eq!(end().await, StatusCode::ACCEPTED);
    assert_eq!(client.status_of_call(&token).await, 404);
    assert_eq!(end().await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_needs_a_session_says_so() {
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
                    "This request needs a session: send initialize, then the Mcp-Session-Id of its answer"
                )
            )
        );
    }
}

/// Other faults are told as what they are.
#[tokio::test]
async fn what_is_wrong_within_a_session_is_not_the_session() {
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
async fn there_are_only_so_many_in_all() {
    let server = TestServer::builder()
        .sessions(|sessions| sessions.max_in_all = 1)
        .spawn()
        .await;
    let (ada, alan) = (
        server.oauth_token("ada").mint(),
        server.oauth_token("alan").mint(),
    );
    McpClient::connect(&server, &ada).await;
    let refused = open(&server, &alan).await;
    assert_eq!(
        (
            refused.status.as_u16(),
            refused.header("retry-after"),
            &refused.json()["error"]["code"]
        ),
        (503, Some("60"), &json!(-32000))
    );
    // Whoever needs no session isn't kept out.
    let request = modern(&server, "tools/list", json!({})).bearer_auth(&alan);
    assert_eq!(Exchange::of(request).await.status, 200);
}

/// What a tool asks of its callers, it asks of each request.
#[tokio::test]
async fn a_session_is_not_above_the_policy() {
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

/// A start that fails holds no place.
#[tokio::test]
async fn a_session_that_never_began_takes_no_place() {
    let server = TestServer::builder()
        .sessions(|sessions| sessions.max_per_user = 1)
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    let broken = server
        .rpc("initialize", &json!({ "protocolVersion": 7 }))
        .bearer_auth(&token);
    assert!(Exchange::of(broken).await.status.is_client_error());
    McpClient::connect(&server, &token).await;
}

#[tokio::test]
async fn an_idle_session_ends() {
    let server = TestServer::builder()
        // No session ends before a call could.
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
    assert_eq!(Events::of(stream).next().await, None, "its stream ends with it");
    assert_eq!(client.status_of_call(&token).await, 404);
    assert_eq!(open(&server, &token).await.status, 200, "its place is free");
}

/// A stream that would go on for ever doesn't hold up the server's stop. The grace for requests in flight is 20 s; a test that
/// takes that long is told by its runner.
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

/// One endpoint, both eras: what says everything about itself has no session, whatever id it brings.
#[tokio::test]
async fn requests_of_2026_have_no_session() {
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

#[tokio::test]
async fn a_replica_takes_a_session_over() {
    let store = Arc::new(MemoryStore::default());
    let replica = || store.replica(|sessions| sessions.max_per_user = 1);
    let (here, there) = (replica().await, replica().await);
    let (ada_here, ada_there) = (here.oauth_token("ada").mint(), there.oauth_token("ada").mint());
    let client = McpClient::connect(&here, &ada_here).await;
    let moved = McpClient::at(&there, &client.id);
    assert_eq!(moved.status_of_call(&there.oauth_token("alan").mint()).await, 404);
    let answer = moved.call(&ada_there, "greet", &json!({ "name": "Ada" })).await;
    assert!(text_of(&answer).starts_with("Hello, Ada!"));
    // It has its place there; when another session takes that, it's gone from the store, too.
    let other = McpClient::connect(&there, &ada_there).await;
    assert_eq!(moved.status_of_call(&ada_there).await, 404);
    assert_eq!(store.len(), 1);
    assert_eq!(
        Exchange::of(other.request(Method::DELETE, &ada_there))
            .await
            .status,
        202
    );
    assert_eq!(store.len(), 0);
    assert_eq!(other.status_of_call(&ada_there).await, 404);
}
