//! Tests of the Backend API client through the tools: retries, caching, request coalescing and pagination.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use clerk_mcp::{
    clerk::{ClerkClient, ClerkError},
    clock::ManualClock,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::support::{TestServer, start_time};

async fn server(clerk: &MockServer) -> (TestServer, String) {
    let server = TestServer::builder()
        .set("CLERK_API_URL", clerk.uri())
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    (server, token)
}

/// The id of the user whose token calls the tools.
const ADA: &str = "user_2sAdaLovelace0000000000000A";

fn user(changes: &Value) -> ResponseTemplate {
    let mut user = json!({ "id": ADA, "first_name": "Ada", "created_at": 0, "updated_at": 0 });
    user.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    ResponseTemplate::new(200).set_body_json(user)
}

/// Returns the number of requests that `clerk` has received.
async fn request_count(clerk: &MockServer) -> usize {
    clerk.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn transient_failure_is_retried() {
    for failure in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(503),
        ResponseTemplate::new(429).insert_header("Retry-After", "0"),
    ] {
        let clerk = MockServer::start().await;
        Mock::given(any())
            .respond_with(failure)
            .up_to_n_times(2)
            .mount(&clerk)
            .await;
        Mock::given(any())
            .respond_with(user(&json!({})))
            .mount(&clerk)
            .await;
        let (server, token) = server(&clerk).await;
        let answer = server.call(&token, "get-user-info", json!({})).await;
        assert_eq!(
            answer["result"]["structuredContent"]["firstName"], "Ada",
            "{answer}"
        );
        assert_eq!(request_count(&clerk).await, 3);
    }
}

#[tokio::test]
async fn retryable_failure_is_tried_three_times_and_permanent_failure_once() {
    for (response, tries) in [
        (ResponseTemplate::new(500), 3),
        (ResponseTemplate::new(429).insert_header("Retry-After", "0"), 3),
        (ResponseTemplate::new(403), 1),
        (ResponseTemplate::new(429).insert_header("Retry-After", "30"), 1),
        (ResponseTemplate::new(401), 1),
        (ResponseTemplate::new(404), 1),
        (ResponseTemplate::new(422), 1),
        (ResponseTemplate::new(200).set_body_string("{"), 1),
    ] {
        let clerk = MockServer::start().await;
        Mock::given(any()).respond_with(response).mount(&clerk).await;
        let (server, token) = server(&clerk).await;
        assert_eq!(
            server.call(&token, "whoami", json!({})).await["result"]["isError"],
            true
        );
        assert_eq!(request_count(&clerk).await, tries);
    }
}

#[tokio::test]
async fn concurrent_lookups_share_one_request_and_the_result_is_cached_for_30_seconds() {
    let clerk = MockServer::start().await;
    Mock::given(any())
        .respond_with(user(&json!({})).set_delay(Duration::from_millis(50)))
        .mount(&clerk)
        .await;
    let (server, token) = server(&clerk).await;
    join_all((0..50).map(|_| server.call(&token, "get-user-info", json!({})))).await;
    server.clock.advance(Duration::from_millis(29_999));
    server.call(&token, "whoami", json!({})).await;
    assert_eq!(request_count(&clerk).await, 1);
    server.clock.advance(Duration::from_millis(1));
    server.call(&token, "whoami", json!({})).await;
    assert_eq!(request_count(&clerk).await, 2);
}

#[tokio::test]
async fn banned_user_gets_a_tool_error() {
    let clerk = MockServer::start().await;
    Mock::given(any())
        .respond_with(user(&json!({ "banned": true })))
        .mount(&clerk)
        .await;
    let (server, token) = server(&clerk).await;
    for tool in ["whoami", "get-user-info"] {
        let answer = server.call(&token, tool, json!({})).await;
        assert_eq!(answer["result"]["isError"], true);
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("This account is banned or locked."), "{text}");
    }
}

#[tokio::test]
async fn answer_about_another_user_is_a_tool_error() {
    let clerk = MockServer::start().await;
    Mock::given(any())
        .respond_with(user(&json!({ "id": "user_2sAnotherUser" })))
        .mount(&clerk)
        .await;
    let (server, token) = server(&clerk).await;
    let answer = server.call(&token, "get-user-info", json!({})).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
}

/// A membership list, newest first, that grows after each page it returns.
struct GrowingMemberships {
    total: Arc<Mutex<usize>>,
    /// How many memberships are added after each page.
    growth: usize,
}

impl GrowingMemberships {
    fn new(total: usize, growth: usize) -> Self {
        let total = Arc::new(Mutex::new(total));
        Self { total, growth }
    }
}

impl Respond for GrowingMemberships {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let query = |name: &str| {
            request
                .url
                .query_pairs()
                .find(|(key, _)| key == name)
                .and_then(|(_, value)| value.parse::<usize>().ok())
                .unwrap()
        };
        let mut total = self.total.lock().unwrap();
        let all: Vec<_> = (0..*total)
            .rev()
            .map(|number| {
                json!({
                    "id": format!("orgmem_{number}"), "role": "org:member", "created_at": 0,
                    "organization": { "id": format!("org_{number}"), "name": "x", "slug": "x" },
                })
            })
            .collect();
        let page: Vec<_> = all.iter().skip(query("offset")).take(query("limit")).collect();
        let body = json!({ "data": page, "total_count": *total });
        *total += self.growth;
        ResponseTemplate::new(200).set_body_json(body)
    }
}

#[tokio::test]
async fn pagination_over_a_growing_list_ends_without_duplicates() {
    let clerk = MockServer::start().await;
    Mock::given(any())
        .respond_with(GrowingMemberships::new(350, 1))
        .mount(&clerk)
        .await;
    let (server, token) = server(&clerk).await;
    let answer = server.call(&token, "get-my-organizations", json!({})).await;
    let memberships = answer["result"]["structuredContent"]["memberships"]
        .as_array()
        .unwrap();
    let distinct: std::collections::BTreeSet<_> = memberships
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(memberships.len(), distinct.len());
    // Every membership that existed before the first page was read.
    assert!((0..350).all(|number| distinct.contains(format!("orgmem_{number}").as_str())));
    assert!(request_count(&clerk).await <= 5);
}

#[tokio::test]
async fn endless_membership_list_is_an_error() {
    let clerk = MockServer::start().await;
    Mock::given(any())
        .respond_with(GrowingMemberships::new(200, 100))
        .mount(&clerk)
        .await;
    let (server, token) = server(&clerk).await;
    let answer = server.call(&token, "get-my-organizations", json!({})).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(request_count(&clerk).await, 50);
}

/// An id may come from a tool argument, so it must not be able to select another Backend API operation.
#[test]
fn path_segments_are_escaped_and_dot_segments_rejected() {
    let client = ClerkClient::new(
        crate::support::http(),
        "https://api.clerk.com".parse().unwrap(),
        "sk_test_x".into(),
        Arc::new(ManualClock::at(start_time())),
    );
    let path = |id| {
        let request = client.request(reqwest::Method::GET, &["v1", "organizations", id, "memberships"])?;
        Ok(request.build().unwrap().url().path().to_owned())
    };
    for id in ["", ".", ".."] {
        assert_eq!(path(id), Err(ClerkError::NotFound), "{id}");
    }
    for (id, escaped) in [
        ("org_1", "org_1"),
        ("a/b", "a%2Fb"),
        ("..?x#y", "..%3Fx%23y"),
        ("%2e%2e", "%252e%252e"),
    ] {
        assert_eq!(path(id), Ok(format!("/v1/organizations/{escaped}/memberships")));
    }
}
