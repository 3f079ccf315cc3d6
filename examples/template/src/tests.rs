//! Calls the tool over HTTP, with tokens from a Clerk that runs in the test.

use clerk_mcp::config::Config;
use local_clerk::LocalClerk;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A running server and its Clerk. Both stop at the end of the test.
struct Running {
    clerk: LocalClerk,
    url: String,
}

async fn start() -> Running {
    let clerk = LocalClerk::builder().start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let config = Config::from_pairs(clerk.environment(), &base_url).unwrap();
    let app = crate::server(&config).build().unwrap();
    tokio::spawn(app.run(listener, std::future::pending()));
    Running {
        clerk,
        url: format!("{base_url}/mcp"),
    }
}

impl Running {
    /// Calls `place-order` as the sample user Ada, who granted these scopes.
    async fn place_order(&self, scopes: &[&str], arguments: Value) -> Response {
        let token = self
            .clerk
            .oauth_token("ada", "client", scopes, Some(&self.url))
            .unwrap();
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "place-order", "arguments": arguments },
        });
        let request = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(&self.url)
            .bearer_auth(token.mint())
            .header("Accept", "application/json, text/event-stream")
            .json(&call);
        request.send().await.unwrap()
    }
}

#[tokio::test]
async fn signed_in_user_places_an_order() {
    let server = start().await;
    let answer = server
        .place_order(&["email"], json!({ "item": "tea", "quantity": 2 }))
        .await;
    let answer: Value = answer.json().await.unwrap();
    let order = &answer["result"]["structuredContent"];
    assert_eq!(
        (&order["item"], &order["quantity"]),
        (&json!("tea"), &json!(2)),
        "{answer}"
    );
    assert!(
        order["customer"].as_str().unwrap().starts_with("user_"),
        "{answer}"
    );
}

#[tokio::test]
async fn wrong_argument_is_named() {
    let server = start().await;
    let answer = server
        .place_order(&["email"], json!({ "item": "tea", "quantity": "two" }))
        .await;
    let answer: Value = answer.json().await.unwrap();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(text, "The argument `quantity` must be of type integer.");
}

#[tokio::test]
async fn caller_without_the_scope_is_rejected() {
    let server = start().await;
    let answer = server
        .place_order(&["profile"], json!({ "item": "tea", "quantity": 2 }))
        .await;
    assert_eq!(answer.status(), 403);
}
