//! Tests of the complete OAuth flow with rmcp's OAuth client, which starts with only the server's URL: 401
//! challenge, both metadata documents, client registration, PKCE, token, and a call of every tool.

use std::time::Duration;

use local_clerk::{Endpoint, Fault};
use reqwest::redirect::Policy;
use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult},
    service::{ClientLifecycleMode, ClientServiceExt, RunningService},
    transport::{
        StreamableHttpClientTransport,
        auth::{AuthClient, AuthorizationRequest, OAuthState},
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};

use crate::{
    policy_example,
    support::{Exchange, TestServer},
};

const REDIRECT_URI: &str = "http://127.0.0.1:7777/callback";

/// Starts a server whose local Clerk signs in Ada without asking.
async fn spawn() -> TestServer {
    let server = TestServer::builder().published_at_its_own_address().spawn().await;
    server.clerk.set_auto_approve(Some("ada")).unwrap();
    server
}

/// Signs in as the auto-approved user, starting from the challenge in a 401 response.
async fn sign_in(server: &TestServer) -> OAuthState {
    sign_in_after(server, &Exchange::of(server.mcp()).await).await
}

/// Signs in as the auto-approved user, starting from the challenge in this response.
async fn sign_in_after(server: &TestServer, rejected: &Exchange) -> OAuthState {
    let challenge = rejected
        .header("www-authenticate")
        .expect("the response has a challenge");
    let mut state = OAuthState::new(format!("{}/mcp", server.url), Some(crate::support::http()))
        .await
        .unwrap();
    let request = AuthorizationRequest::new(REDIRECT_URI)
        .with_client_name("integration test")
        // Requests the scopes of the challenge, not all scopes that the metadata lists.
        .with_initial_scope_selection()
        .with_challenge(challenge);
    state.start_authorization(request).await.unwrap();
    let browser = crate::support::http::http_builder()
        .redirect(Policy::none())
        .build()
        .unwrap();
    let answer = browser
        .get(state.get_authorization_url().await.unwrap())
        .send()
        .await
        .unwrap();
    let callback = answer.headers()["location"].to_str().unwrap();
    assert!(callback.starts_with(REDIRECT_URI), "{callback}");
    state.handle_callback_url(callback).await.unwrap();
    state
}

/// Obtains an access token through the complete OAuth flow.
pub async fn access_token(server: &TestServer) -> String {
    token_of(sign_in(server).await).await
}

async fn token_of(state: OAuthState) -> String {
    state
        .into_authorization_manager()
        .unwrap()
        .get_access_token()
        .await
        .unwrap()
}

fn transport(
    server: &TestServer,
    state: OAuthState,
) -> StreamableHttpClientTransport<AuthClient<reqwest::Client>> {
    let client = AuthClient::new(
        crate::support::http(),
        state.into_authorization_manager().unwrap(),
    );
    let config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", server.url));
    StreamableHttpClientTransport::with_client(client, config)
}

async fn call(
    client: &RunningService<RoleClient, ()>,
    tool: &'static str,
    arguments: Value,
) -> CallToolResult {
    let arguments = arguments.as_object().unwrap().clone();
    client
        .call_tool(CallToolRequestParams::new(tool).with_arguments(arguments))
        .await
        .unwrap()
}

async fn use_every_tool(client: &RunningService<RoleClient, ()>) {
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(
        names,
        ["get-my-organizations", "get-user-info", "greet", "whoami"]
    );

    let greeting = call(client, "greet", json!({ "name": "Ada" })).await;
    let text = greeting.content[0].as_text().unwrap().text.clone();
    assert!(
        text.starts_with("Hello, Ada! Your Clerk user ID is user_"),
        "{text}"
    );

    let whoami = call(client, "whoami", json!({}))
        .await
        .structured_content
        .unwrap();
    assert_eq!(whoami["user"]["email"], "ada@example.com");
    assert_eq!(whoami["session"]["userId"], whoami["user"]["id"]);

    let info = call(client, "get-user-info", json!({}))
        .await
        .structured_content
        .unwrap();
    assert_eq!(
        (&info["firstName"], &info["lastName"]),
        (&json!("Ada"), &json!("Lovelace"))
    );

    let organizations = call(client, "get-my-organizations", json!({}))
        .await
        .structured_content
        .unwrap();
    assert_eq!(
        organizations["memberships"].as_array().unwrap().len(),
        organizations["membershipCount"]
    );
    assert!(organizations["membershipCount"].as_u64().unwrap() > 1);
}

#[tokio::test]
async fn client_that_sends_initialize_signs_in_and_uses_every_tool() {
    let server = spawn().await;
    let state = sign_in(&server).await;
    let client = ().serve(transport(&server, state)).await.unwrap();
    use_every_tool(&client).await;
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn client_of_revision_2026_07_28_signs_in_and_uses_every_tool() {
    let server = spawn().await;
    let state = sign_in(&server).await;
    let lifecycle = ClientLifecycleMode::Discover {
        preferred_versions: vec![rmcp::model::ProtocolVersion::V_2026_07_28],
    };
    let client = ().serve_with_lifecycle(transport(&server, state), lifecycle).await.unwrap();
    use_every_tool(&client).await;
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn refreshed_token_is_accepted() {
    let server = spawn().await;
    let state = sign_in(&server).await;
    let manager = state.into_authorization_manager().unwrap();
    let first = manager.get_access_token().await.unwrap();
    manager.refresh_token().await.unwrap();
    let second = manager.get_access_token().await.unwrap();
    assert_ne!(first, second);
    assert_eq!(server.with_token(&second).await.status, 200);
}

/// The whole step-up at the example `policy`, with a client that knows nothing but the server's URL: sign-in,
/// 403, a second sign-in with an organization, and the tool runs until the user loses the role.
#[tokio::test]
async fn client_signs_in_again_with_an_organization_when_a_tool_needs_a_role() {
    let server = TestServer::builder()
        .published_at_its_own_address()
        .policy(policy_example::policy())
        .spawn_with(policy_example::Invoices)
        .await;
    server.clerk.set_auto_approve(Some("ada")).unwrap();
    let request = || {
        let params = json!({ "name": "delete-invoices", "arguments": {} });
        server.rpc("tools/call", &params)
    };
    let delete_invoices = async |token: &str| Exchange::of(request().bearer_auth(token)).await;
    let rejected = Exchange::of(request()).await;
    assert_eq!(rejected.status, 401);
    let token = token_of(sign_in_after(&server, &rejected).await).await;
    let rejected = delete_invoices(&token).await;
    assert_eq!(rejected.status, 403);
    assert_eq!(rejected.json()["error"], "insufficient_scope");
    let token = token_of(sign_in_after(&server, &rejected).await).await;
    let answer = delete_invoices(&token).await;
    assert_eq!(
        answer.json()["result"]["content"][0]["text"],
        "Deleted.",
        "{}",
        answer.body
    );
    server
        .clerk
        .change_role("ada", "analytical-engines", "org:member")
        .unwrap();
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(delete_invoices(&token).await.json()["error"], "forbidden");
    server
        .clerk
        .inject(Fault::Down.at(Endpoint::BackendOrganizationMemberships));
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(delete_invoices(&token).await.status, 503);
}

#[tokio::test]
async fn token_for_another_server_is_rejected() {
    let server = spawn().await;
    let token = server
        .clerk
        .oauth_token(
            "ada",
            "client",
            &["profile"],
            Some("https://other.example.com/mcp"),
        )
        .unwrap();
    assert_eq!(server.status_of(token).await, 401);
}
