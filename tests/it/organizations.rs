//! Organizations of OAuth callers: the token names the organization, and Clerk says which role the caller has
//! in it now.

use std::{sync::Arc, time::Duration};

use clerk_mcp::{
    clerk::ClerkClient,
    clock::ManualClock,
    context::{get_organization, get_session},
    id::{OrganizationId, UserId},
    mcp::ToolError,
    outbound,
    policy::{Requirement, ToolListing, ToolPolicy},
};
use futures_util::{FutureExt, future::join_all};
use local_clerk::{Endpoint, Fault, LocalClerk, mint::Recipe};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{
    Exchange, TestServer, modern,
    server::{Builder, RESOURCE},
    start_time,
};

const ADA: &str = "user_2sAdaLovelace0000000000000A";
const ANALYTICAL_ENGINES: &str = "org_2sAnalyticalEngines000000AE";
const LOOKUP: Endpoint = Endpoint::BackendOrganizationMemberships;

/// Returns a server whose tool `greet` is for admins who may delete repositories.
fn for_admins() -> Builder {
    let requirement = Requirement::new()
        .role("org:admin")
        .permissions(["org:repositories:delete"]);
    TestServer::builder().policy(ToolPolicy::new().require("greet", requirement))
}

/// Returns an access token of Ada, who chose Analytical Engines at consent. She is an admin there.
fn in_analytical_engines(server: &TestServer) -> Recipe {
    let scopes = ["profile", "email", "user:org:read"];
    let token = server
        .clerk
        .oauth_token("ada", "client_test", &scopes, Some(RESOURCE));
    token.unwrap().claim("org_id", ANALYTICAL_ENGINES)
}

async fn greet(server: &TestServer, token: &str) -> Exchange {
    let params = json!({ "name": "greet", "arguments": { "name": "Ada" } });
    Exchange::of(server.rpc("tools/call", &params).bearer_auth(token)).await
}

async fn status(server: &TestServer, token: &str) -> u16 {
    greet(server, token).await.status.as_u16()
}

#[tokio::test]
async fn admin_may_call_the_tool_and_sees_role_and_permissions() {
    let server = for_admins().spawn().await;
    let token = in_analytical_engines(&server).mint();
    assert_eq!(status(&server, &token).await, 200);
    let answer = server.call(&token, "whoami", json!({})).await;
    insta::assert_json_snapshot!(answer["result"]["structuredContent"]["session"], @r#"
    {
      "userId": "user_2sAdaLovelace0000000000000A",
      "sessionId": null,
      "organizationId": "org_2sAnalyticalEngines000000AE",
      "organizationRole": "org:admin",
      "organizationPermissions": [
        "org:repositories:read",
        "org:repositories:create",
        "org:repositories:delete",
        "org:reports:read",
        "org:billing:manage"
      ],
      "expiresAt": "2026-03-02T12:00:01Z",
      "issuedAt": "2026-03-01T12:00:00Z"
    }
    "#);
    let answer = server.call(&token, "get-user-info", json!({})).await;
    let info = &answer["result"]["structuredContent"];
    assert_eq!(
        (&info["organizationId"], &info["organizationRole"]),
        (&json!(ANALYTICAL_ENGINES), &json!("org:admin"))
    );
    assert_eq!(server.clerk.request_count(LOOKUP), 1);
}

#[tokio::test]
async fn token_without_an_organization_gets_a_challenge_for_one() {
    let server = for_admins().spawn().await;
    let answer = greet(&server, &server.oauth_token("ada").mint()).await;
    insta::assert_snapshot!(answer.text(&[]), @r#"
    403 Forbidden
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin
    www-authenticate: Bearer error="insufficient_scope", error_description="Required scopes: user:org:read", scope="profile email user:org:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"

    {
      "error": "insufficient_scope",
      "error_description": "Required scopes: user:org:read"
    }
    "#);
    assert_eq!(server.clerk.request_count(LOOKUP), 0);
}

/// A client that asks for the scopes of one challenge must not get another challenge.
#[tokio::test]
async fn challenge_names_the_scopes_of_the_tool_and_of_the_organization() {
    let requirement = Requirement::new().scopes(["invoices:read"]).role("org:admin");
    let server = TestServer::builder()
        .policy(ToolPolicy::new().require("greet", requirement))
        .spawn()
        .await;
    for token in [server.oauth_token("ada"), in_analytical_engines(&server)] {
        let answer = greet(&server, &token.mint()).await;
        assert_eq!(answer.status, 403);
        assert_eq!(
            answer.json()["error_description"],
            "Required scopes: invoices:read user:org:read"
        );
    }
    assert_eq!(server.clerk.request_count(LOOKUP), 0);
}

#[tokio::test]
async fn ended_membership_takes_effect_within_30_seconds() {
    let server = for_admins().spawn().await;
    let token = in_analytical_engines(&server).mint();
    assert_eq!(status(&server, &token).await, 200);
    server.clerk.remove_membership("ada", ANALYTICAL_ENGINES).unwrap();
    // She stays an admin elsewhere, but the token does not name that organization.
    server.clerk.remove_membership("ada", "compiler-works").unwrap();
    server
        .clerk
        .add_membership("ada", "compiler-works", "org:admin")
        .unwrap();
    server.clock.advance(Duration::from_millis(29_999));
    assert_eq!(
        status(&server, &token).await,
        200,
        "the cached membership applies"
    );
    server.clock.advance(Duration::from_millis(1));
    let answer = greet(&server, &token).await;
    insta::assert_snapshot!(answer.text(&[]), @r#"
    403 Forbidden
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "error": "forbidden",
      "error_description": "Required role: org:admin"
    }
    "#);
    // The tools of everyone still work, and show that the caller has no role.
    let answer = server.call(&token, "whoami", json!({})).await;
    let session = &answer["result"]["structuredContent"]["session"];
    assert_eq!(session["organizationRole"], Value::Null, "{answer}");
    assert_eq!(session["organizationPermissions"], json!([]));
}

#[tokio::test]
async fn lost_role_takes_effect_within_30_seconds() {
    let server = for_admins().spawn().await;
    let token = in_analytical_engines(&server).mint();
    assert_eq!(status(&server, &token).await, 200);
    server.clerk.remove_membership("ada", ANALYTICAL_ENGINES).unwrap();
    server
        .clerk
        .add_membership("ada", ANALYTICAL_ENGINES, "org:member")
        .unwrap();
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(status(&server, &token).await, 403);
    // A regained role takes effect as fast.
    server.clerk.remove_membership("ada", ANALYTICAL_ENGINES).unwrap();
    server
        .clerk
        .add_membership("ada", ANALYTICAL_ENGINES, "org:admin")
        .unwrap();
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(status(&server, &token).await, 200);
}

#[tokio::test]
async fn unavailable_backend_api_is_503_and_the_last_known_role_is_not_used() {
    for fault in [
        Fault::Status(500),
        Fault::Status(422),
        Fault::Down,
        Fault::Malformed,
        Fault::Truncated,
        Fault::Huge { bytes: 10 << 20 },
        Fault::RateLimited {
            retry_after: Duration::from_secs(30),
        },
    ] {
        let server = for_admins().spawn().await;
        let token = in_analytical_engines(&server).mint();
        assert_eq!(status(&server, &token).await, 200);
        let id = server.clerk.inject(fault.clone().at(LOOKUP));
        assert_eq!(
            status(&server, &token).await,
            200,
            "{fault:?}: a membership is cached"
        );
        server.clock.advance(Duration::from_secs(30));
        assert_eq!(status(&server, &token).await, 503, "{fault:?}");
        server.clerk.clear_fault(id);
        server.clock.advance(Duration::from_secs(1));
        assert_eq!(status(&server, &token).await, 200, "{fault:?}");
    }
    let server = for_admins().spawn().await;
    server.clerk.inject(Fault::Down.at(LOOKUP));
    let answer = greet(&server, &in_analytical_engines(&server).mint()).await;
    insta::assert_snapshot!(answer.text(&[]), @r#"
    503 Service Unavailable
    cache-control: no-store
    content-type: application/json; charset=utf-8
    retry-after: 5
    vary: Origin

    {
      "error": "temporarily_unavailable",
      "error_description": "Authentication service unavailable"
    }
    "#);
}

#[tokio::test]
async fn wrong_secret_key_is_reported_as_misconfiguration() {
    let server = for_admins()
        .set("CLERK_SECRET_KEY", "sk_test_wrong")
        .spawn()
        .await;
    let answer = greet(&server, &in_analytical_engines(&server).mint()).await;
    insta::assert_snapshot!(answer.text(&[]), @r#"
    500 Internal Server Error
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "error": "server_error",
      "error_description": "Authentication service misconfigured"
    }
    "#);
}

#[tokio::test]
async fn session_token_keeps_what_it_says() {
    let server = for_admins().spawn().await;
    let token = server.clerk.session_token_in("ada", ANALYTICAL_ENGINES).unwrap();
    server.clerk.remove_membership("ada", ANALYTICAL_ENGINES).unwrap();
    assert_eq!(status(&server, &token.mint()).await, 200);
    // The lookup would find these, if there were one.
    server
        .clerk
        .add_membership("ada", ANALYTICAL_ENGINES, "org:admin")
        .unwrap();
    let without_permissions = token.without_claim("fea").mint();
    let answer = greet(&server, &without_permissions).await;
    assert_eq!(
        answer.json()["error_description"],
        "Required permission: org:repositories:delete"
    );
    let without_organization = server.session_token("ada").mint();
    let answer = greet(&server, &without_organization).await;
    assert_eq!(answer.json()["error_description"], "Required role: org:admin");
    assert_eq!(server.clerk.request_count(LOOKUP), 0);
}

/// Clerk puts only `org_id` into access tokens. A role beside it is not from Clerk.
#[tokio::test]
async fn role_claimed_by_an_access_token_is_ignored() {
    let server = for_admins().spawn().await;
    let token = server
        .oauth_token("grace")
        .claim("org_id", ANALYTICAL_ENGINES)
        .claim("org_role", "org:admin")
        .claim("org_permissions", json!(["org:repositories:delete"]));
    let answer = greet(&server, &token.mint()).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]),
        (403, &json!("forbidden"))
    );
}

#[tokio::test]
async fn a_thousand_concurrent_calls_of_one_caller_make_one_backend_api_call() {
    let server = for_admins().spawn().await;
    let token = in_analytical_engines(&server).mint();
    let answers = join_all((0..1_000).map(|_| status(&server, &token))).await;
    assert_eq!(answers, vec![200; 1_000]);
    assert_eq!(server.clerk.request_count(LOOKUP), 1);
}

/// Returns a Backend API client, and the user and organization to look up.
fn client(clerk: &LocalClerk) -> (ClerkClient, UserId, OrganizationId) {
    let url = clerk.backend_api_url().parse().unwrap();
    let http = outbound::client(&url, &[]).unwrap();
    let clock = Arc::new(ManualClock::at(start_time()));
    let client = ClerkClient::new(http, url, clerk.secret_key().into(), clock);
    (client, ADA.into(), ANALYTICAL_ENGINES.into())
}

#[tokio::test]
async fn lookup_goes_on_when_the_caller_that_started_it_disconnects() {
    let clerk = LocalClerk::builder().start().await.unwrap();
    let (client, user, organization) = client(&clerk);
    let hold = clerk.inject(Fault::Hold.at(LOOKUP));
    let mut first = Box::pin(client.organization_membership(&user, &organization));
    while clerk.request_count(LOOKUP) == 0 {
        assert!((&mut first).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(first);
    clerk.clear_fault(hold);
    let membership = client
        .organization_membership(&user, &organization)
        .await
        .unwrap();
    assert_eq!(membership.unwrap().role, "org:admin");
    assert_eq!(clerk.request_count(LOOKUP), 1);
}

/// Clerk ignores a filter for a user that it does not know, and then lists other members.
#[tokio::test]
async fn membership_of_another_user_or_organization_is_not_used() {
    let member = |user: Value, organization: &str| {
        json!({
            "id": "orgmem_1", "role": "org:admin", "permissions": ["org:repositories:delete"], "created_at": 0,
            "organization": { "id": organization, "name": "x", "slug": "x" }, "public_user_data": user,
        })
    };
    let ada = json!({ "user_id": ADA });
    for (member, expected) in [
        (
            member(json!({ "user_id": "user_other" }), ANALYTICAL_ENGINES),
            403,
        ),
        (member(ada.clone(), "org_other"), 403),
        (member(Value::Null, ANALYTICAL_ENGINES), 503),
        (member(ada, ANALYTICAL_ENGINES), 200),
    ] {
        let clerk = MockServer::start().await;
        let body = json!({ "data": [member], "total_count": 1 });
        let response = ResponseTemplate::new(200).set_body_json(&body);
        Mock::given(any()).respond_with(response).mount(&clerk).await;
        let server = for_admins().set("CLERK_API_URL", clerk.uri()).spawn().await;
        let token = in_analytical_engines(&server).mint();
        assert_eq!(status(&server, &token).await, expected, "{body}");
    }
}

/// A tool that shows its organization, and the role in the session before and after it was looked up.
#[derive(Clone)]
struct Roles;

#[tool_router]
impl Roles {
    #[tool(name = "roles", description = "Tells the caller's role.")]
    async fn roles(&self) -> Result<String, ToolError> {
        let before = get_session()?.organization_role.clone();
        let organization = get_organization().await?;
        let after = get_session()?.organization_role.clone();
        let shown = organization.map(|one| (one.slug, one.role, one.permissions.len()));
        Ok(format!("{before:?}, {shown:?}, {after:?}"))
    }
}

#[tool_handler(name = "roles", version = "1.0.0")]
impl ServerHandler for Roles {}

#[tokio::test]
async fn tool_can_get_the_organization_of_every_caller() {
    let server = TestServer::builder().spawn_with(Roles).await;
    let in_organization = in_analytical_engines(&server).mint();
    let none = server.oauth_token("ada").mint();
    let session = server.clerk.session_token_in("ada", ANALYTICAL_ENGINES).unwrap();
    let text = async |token: &str| {
        let answer = server.call(token, "roles", json!({})).await;
        answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        text(&in_organization).await,
        r#"None, Some((Some("analytical-engines"), Some("org:admin"), 5)), Some("org:admin")"#
    );
    assert_eq!(text(&none).await, "None, None, None");
    assert_eq!(
        text(&session.mint()).await,
        r#"Some("org:admin"), Some((Some("analytical-engines"), Some("org:admin"), 5)), Some("org:admin")"#
    );
    server.clerk.remove_membership("ada", ANALYTICAL_ENGINES).unwrap();
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(
        text(&in_organization).await,
        "You are not a member of this organization anymore. Sign in again to choose another one."
    );
    server.clerk.inject(Fault::Down.at(LOOKUP));
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(
        text(&in_organization).await,
        "Clerk is not available at the moment. Try again in a minute."
    );
}

/// Returns the names of the listed tools, and the cache hints of the list.
async fn listed(server: &TestServer, token: &str) -> (Vec<String>, Value, Value) {
    let request = modern(server, "tools/list", json!({})).bearer_auth(token);
    let answer = Exchange::of(request).await.json();
    let tools = answer["result"]["tools"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"));
    let names = tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned());
    let hint = |name: &str| answer["result"][name].clone();
    (names.collect(), hint("cacheScope"), hint("ttlMs"))
}

#[tokio::test]
async fn only_allowed_tools_are_listed_if_configured() {
    let policy = ToolPolicy::new()
        .require("greet", Requirement::new().role("org:admin"))
        .require("whoami", Requirement::new().scopes(["profile"]))
        .require("get-user-info", Requirement::new().scopes(["other"]));
    let allowed = policy.clone().listing(ToolListing::Allowed);
    let server = TestServer::builder().policy(allowed).spawn().await;
    let token = in_analytical_engines(&server).mint();
    let admin = (
        vec![
            "get-my-organizations".to_owned(),
            "greet".to_owned(),
            "whoami".to_owned(),
        ],
        json!("private"),
        json!(0),
    );
    assert_eq!(listed(&server, &token).await, admin);
    let without_organization = server.oauth_token("ada").mint();
    assert_eq!(
        listed(&server, &without_organization).await.0,
        ["get-my-organizations", "whoami"]
    );
    server.clerk.remove_membership("ada", ANALYTICAL_ENGINES).unwrap();
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(
        listed(&server, &token).await.0,
        ["get-my-organizations", "whoami"]
    );
    // A list without the tools of a role that is only unknown would look like a lost role.
    server.clerk.inject(Fault::Down.at(LOOKUP));
    server.clock.advance(Duration::from_secs(30));
    let answer = server.with_token(&token).await.json();
    assert_eq!(
        answer["error"]["message"],
        "Clerk is not available at the moment. Try again in a minute."
    );
    let all = TestServer::builder().policy(policy).spawn().await;
    assert_eq!(listed(&all, &all.oauth_token("ada").mint()).await.0.len(), 4);
}
