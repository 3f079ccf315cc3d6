//! Tests of the server itself, independent of the suite's cases.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};

use local_clerk::{LocalClerk, NewCredential};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::broken::{Flaw, server::RunningServer, start};

/// A server with its own local Clerk.
struct Fixture {
    clerk: LocalClerk,
    server: RunningServer,
    http: reqwest::Client,
}

impl Fixture {
    async fn start(flaw: Option<Flaw>, settings: &[(&str, &str)]) -> Self {
        let clerk = LocalClerk::builder().start().await.unwrap();
        let server = start(environment(&clerk, settings), flaw).await.unwrap();
        Self {
            clerk,
            server,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    fn post(&self, message: &Value) -> RequestBuilder {
        self.http
            .post(format!("http://{}/mcp", self.server.address))
            .header("Accept", "application/json, text/event-stream")
            .json(message)
    }

    async fn status(&self, token: &str) -> StatusCode {
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        self.post(&ping).bearer_auth(token).send().await.unwrap().status()
    }

    async fn call(&self, token: &str, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let answer = self.post(&message).bearer_auth(token).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["result"].clone()
    }

    fn session(&self) -> String {
        self.clerk.session_token("ada").unwrap().mint()
    }
}

fn environment(clerk: &LocalClerk, settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> = clerk
        .environment()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    environment.insert("PORT".to_owned(), "0".to_owned());
    environment.insert("BASE_URL".to_owned(), "http://127.0.0.1:3001".to_owned());
    for (name, value) in settings {
        environment.insert((*name).to_owned(), (*value).to_owned());
    }
    environment
}

#[tokio::test]
async fn tools_return_the_data_of_their_caller() {
    let fixture = Fixture::start(None, &[]).await;
    let user = fixture.clerk.sample_users()[0].clone();
    let organization = &user.organizations[0];
    let token = fixture
        .clerk
        .session_token_in("ada", &organization.id)
        .unwrap()
        .mint();
    let greeting = fixture.call(&token, "greet", json!({ "name": "Zoë" })).await;
    let text = format!("Hello, Zoë! Your Clerk user ID is {}", user.id);
    assert_eq!(greeting["content"][0]["text"], text);
    let whoami = fixture.call(&token, "whoami", json!({})).await;
    let whoami = &whoami["structuredContent"];
    assert_eq!(whoami["user"]["email"], "ada@example.com");
    assert_eq!(whoami["session"]["organizationRole"], organization.role);
    let permissions = whoami["session"]["organizationPermissions"].as_array().unwrap();
    assert!(
        permissions.contains(&json!("org:billing:manage")),
        "{permissions:?}"
    );
    let mine = fixture.call(&token, "get-my-organizations", json!({})).await;
    assert_eq!(mine["structuredContent"]["membershipCount"], 3);
}

#[tokio::test]
async fn valid_tokens_are_accepted_and_invalid_tokens_are_rejected() {
    let machines = "session_token,oauth_token,m2m_token,api_key";
    let fixture = Fixture::start(None, &[("CLERK_ACCEPTED_TOKENS", machines)]).await;
    let clerk = &fixture.clerk;
    let session = clerk.session_token("ada").unwrap();
    let access = |resource| {
        clerk
            .oauth_token("ada", "client_1", &["email"], resource)
            .unwrap()
    };
    let key = clerk
        .api_key(&clerk.sample_users()[0].id, NewCredential::default())
        .unwrap();
    for token in [
        session.mint(),
        clerk.session_token_v1("ada").unwrap().mint(),
        clerk.impersonation_token("ada", "grace").unwrap().mint(),
        access(Some("http://127.0.0.1:3001/mcp")).mint(),
        access(Some("HTTP://127.0.0.1:3001/")).mint(),
        clerk.m2m_token("mch_1").mint(),
        key.secret,
    ] {
        assert_eq!(fixture.status(&token).await, 200, "{token}");
    }
    for recipe in [
        session.clone().header("alg", "none").unsigned(),
        session
            .clone()
            .header("alg", "HS256")
            .signed_with_secret(clerk.signing_key().public_key_pem().as_bytes()),
        session.clone().header("alg", "RS384"),
        session.clone().header("kid", "ins_other"),
        session.clone().header("crit", json!(["exp"])),
        session.clone().claim("exp", 1),
        session.clone().claim("nbf", 4_000_000_000_i64),
        session.clone().claim("iss", "https://clerk.example.com"),
        session.clone().without_claim("sub"),
        clerk.pending_session_token("ada").unwrap(),
        clerk.template_token("ada").unwrap(),
        clerk.id_token("ada", "client_1", &["email"]).unwrap(),
        access(None),
        access(Some("http://127.0.0.1:3001/mcp/other")),
    ] {
        assert_eq!(fixture.status(&recipe.mint()).await, 401, "{recipe:?}");
    }
}

#[tokio::test]
async fn the_server_starts_with_every_flaw() {
    let clerk = LocalClerk::builder().start().await.unwrap();
    let names: BTreeSet<&str> = Flaw::ALL.iter().map(|flaw| flaw.name()).collect();
    assert_eq!(names.len(), Flaw::ALL.len());
    for flaw in Flaw::ALL {
        assert_eq!(Flaw::find(flaw.name()), Some(*flaw));
        let outcome = start(environment(&clerk, &[]), Some(*flaw)).await;
        assert!(outcome.is_ok(), "{}: {:?}", flaw.name(), outcome.err());
    }
}

#[tokio::test]
async fn configuration_errors_are_reported() {
    let failure = start(BTreeMap::new(), None).await.unwrap_err();
    let first = failure.output.lines().next();
    let missing = "[Clerk] Missing required config: CLERK_SECRET_KEY, CLERK_DOMAIN, BASE_URL";
    assert_eq!((failure.exit_code, first), (78, Some(missing)));
    let clerk = LocalClerk::builder().start().await.unwrap();
    let outcome = start(environment(&clerk, &[("CLERK_SECRET_KEY", "pk_test_hush")]), None).await;
    let output = outcome.unwrap_err().output;
    assert!(
        output.contains("publishable key") && !output.contains("hush"),
        "{output}"
    );
}

#[tokio::test]
async fn a_flaw_changes_the_described_behavior() {
    let fixture = Fixture::start(Some(Flaw::AcceptsNone), &[]).await;
    let unsigned = fixture
        .clerk
        .session_token("ada")
        .unwrap()
        .header("alg", "none")
        .unsigned();
    assert_eq!(fixture.status(&unsigned.mint()).await, 200);
    assert_eq!(fixture.status(&fixture.session()).await, 200);
}
