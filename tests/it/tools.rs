//! The four example tools: their listing, their results, and their errors when Clerk fails.

use local_clerk::{NewOrganization, NewUser};
use rmcp::{ServerHandler, handler::server::wrapper::Parameters, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{Exchange, TestServer, snapshot::id};

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("no text in {answer}"))
}

/// Returns the structured content, after checking that the text is the same JSON.
#[track_caller]
fn data(answer: &Value) -> &Value {
    let structured = &answer["result"]["structuredContent"];
    assert_eq!(
        text(answer),
        format!("{structured:#}"),
        "the text is the same JSON, indented by two"
    );
    structured
}

#[tokio::test]
async fn tools_are_listed_with_schemas_and_annotations() {
    let server = TestServer::spawn().await;
    insta::assert_json_snapshot!(
        "tools_list",
        server.with_token(&server.oauth_token("ada").mint()).await.json()
    );
}

#[tokio::test]
async fn greet_returns_the_name_and_the_user_id() {
    let server = TestServer::spawn().await;
    let token = server.session_token("ada").mint();
    let answer = server.call(&token, "greet", json!({ "name": "Zoë <b>" })).await;
    let user = &server.clerk.sample_users()[0].id;
    assert_eq!(
        text(&answer),
        format!("Hello, Zoë <b>! Your Clerk user ID is {user}")
    );
    // `greet` does not call Clerk.
    assert_eq!(server.clerk.request_count(local_clerk::Endpoint::BackendUser), 0);
}

#[tokio::test]
async fn whoami_returns_the_active_organization_of_a_session_token() {
    let server = TestServer::spawn().await;
    let organization = &server.clerk.sample_users()[0].organizations[0].id;
    let token = server.clerk.session_token_in("ada", organization).unwrap().mint();
    insta::assert_json_snapshot!(data(&server.call(&token, "whoami", json!({})).await), { ".session.sessionId" => id("sess_") }, @r#"
    {
      "session": {
        "userId": "user_2sAdaLovelace0000000000000A",
        "sessionId": "[sess_]",
        "organizationId": "org_2sAnalyticalEngines000000AE",
        "organizationRole": "org:admin",
        "organizationPermissions": [
          "org:repositories:read",
          "org:repositories:create",
          "org:repositories:delete",
          "org:reports:read",
          "org:billing:manage"
        ],
        "expiresAt": "2026-03-01T12:01:00Z",
        "issuedAt": "2026-03-01T12:00:00Z"
      },
      "user": {
        "id": "user_2sAdaLovelace0000000000000A",
        "email": "ada@example.com",
        "firstName": "Ada",
        "lastName": "Lovelace",
        "imageUrl": "https://img.clerk.invalid/user_2sAdaLovelace0000000000000A",
        "createdAt": "2026-03-01T12:00:00Z",
        "updatedAt": "2026-03-01T12:00:00Z"
      }
    }
    "#);
}

#[tokio::test]
async fn whoami_returns_null_for_what_an_access_token_lacks() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("alan").mint();
    let answer = server.call(&token, "whoami", json!({})).await;
    insta::assert_json_snapshot!(data(&answer)["session"], @r#"
    {
      "userId": "user_2sAlanTuring00000000000000T",
      "sessionId": null,
      "organizationId": null,
      "organizationRole": null,
      "organizationPermissions": [],
      "expiresAt": "2026-03-02T12:00:01Z",
      "issuedAt": "2026-03-01T12:00:00Z"
    }
    "#);
}

#[tokio::test]
async fn get_user_info_returns_the_profile_and_the_organization() {
    let server = TestServer::spawn().await;
    let organization = &server.clerk.sample_users()[1].organizations[0].id;
    let token = server
        .clerk
        .session_token_v1_in("grace", organization)
        .unwrap()
        .mint();
    insta::assert_json_snapshot!(data(&server.call(&token, "get-user-info", json!({})).await), { ".sessionId" => id("sess_") }, @r#"
    {
      "userId": "user_2sGraceHopper0000000000000G",
      "sessionId": "[sess_]",
      "organizationId": "org_2sCompilerWorks0000000000CW",
      "organizationRole": "org:admin",
      "email": "grace@example.com",
      "firstName": "Grace",
      "lastName": "Hopper",
      "imageUrl": "https://img.clerk.invalid/user_2sGraceHopper0000000000000G"
    }
    "#);
}

#[tokio::test]
async fn get_my_organizations_returns_the_memberships() {
    let server = TestServer::spawn().await;
    let answer = server
        .call(
            &server.oauth_token("grace").mint(),
            "get-my-organizations",
            json!({}),
        )
        .await;
    insta::assert_json_snapshot!(data(&answer), { ".memberships[].id" => id("orgmem_") }, @r#"
    {
      "userId": "user_2sGraceHopper0000000000000G",
      "membershipCount": 1,
      "memberships": [
        {
          "id": "[orgmem_]",
          "organizationId": "org_2sCompilerWorks0000000000CW",
          "organizationName": "Compiler Works",
          "role": "org:admin",
          "createdAt": "2026-03-01T12:00:00Z"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn get_my_organizations_without_memberships_returns_a_sentence() {
    let server = TestServer::spawn().await;
    let answer = server
        .call(
            &server.oauth_token("alan").mint(),
            "get-my-organizations",
            json!({}),
        )
        .await;
    assert_eq!(text(&answer), "You are not a member of any organizations.");
    // The structured content still matches the output schema.
    assert_eq!(answer["result"]["structuredContent"]["membershipCount"], 0);
}

#[tokio::test]
async fn get_my_organizations_returns_all_pages() {
    let server = TestServer::spawn().await;
    let user = server
        .clerk
        .add_user(NewUser {
            first_name: Some("Many".to_owned()),
            ..NewUser::default()
        })
        .unwrap();
    for number in 0..1_201 {
        let name = format!("Organization {number}");
        let organization = server
            .clerk
            .add_organization(NewOrganization {
                name,
                ..NewOrganization::default()
            })
            .unwrap();
        server
            .clerk
            .add_membership(&user.id, &organization.id, "org:member")
            .unwrap();
    }
    let answer = server
        .call(
            &server.oauth_token(&user.id).mint(),
            "get-my-organizations",
            json!({}),
        )
        .await;
    let memberships = data(&answer)["memberships"].as_array().unwrap();
    let distinct: std::collections::BTreeSet<_> = memberships.iter().map(|one| one["id"].as_str()).collect();
    assert_eq!(
        (
            memberships.len(),
            distinct.len(),
            &data(&answer)["membershipCount"]
        ),
        (1_201, 1_201, &json!(1_201))
    );
}

#[tokio::test]
async fn invalid_arguments_are_reported_as_a_tool_result() {
    let server = TestServer::spawn().await;
    let token = server.oauth_token("ada").mint();
    for (tool, arguments, expected) in [
        ("greet", json!({}), "The argument `name` is missing."),
        (
            "greet",
            json!({ "name": 1 }),
            "The argument `name` must be of type string.",
        ),
        (
            "greet",
            json!({ "name": "" }),
            "The argument `name` must not be empty.",
        ),
        (
            "greet",
            json!({ "name": " \n" }),
            "The argument `name` must not be empty.",
        ),
        (
            "greet",
            json!({ "name": "x", "more": true }),
            "Unknown argument `more`: this tool takes `name`.",
        ),
        (
            "whoami",
            json!({ "userId": "user_other" }),
            "Unknown argument `userId`: this tool takes no arguments.",
        ),
        (
            "get-user-info",
            json!({ "x": null }),
            "Unknown argument `x`: this tool takes no arguments.",
        ),
        (
            "get-my-organizations",
            json!({ "limit": 1 }),
            "Unknown argument `limit`: this tool takes no arguments.",
        ),
    ] {
        // A result rather than a protocol error, so that the model can read it and correct its call (MCP,
        // "Tools", error handling).
        let answer = server.call(&token, tool, arguments.clone()).await;
        assert_eq!(answer["result"]["isError"], true, "{tool} {arguments}: {answer}");
        assert_eq!(text(&answer), expected, "{tool} {arguments}");
    }
    let unknown = server.call(&token, "drop-tables", json!({})).await;
    assert_eq!(
        unknown["error"],
        json!({ "code": -32602, "message": "Unknown tool: drop-tables" })
    );
}

/// MCP Inspector warns about each `type` that is a list, and clients that convert schemas for their model
/// ignore it.
#[tokio::test]
async fn no_schema_has_a_list_as_type() {
    let server = TestServer::spawn().await;
    let listed = server.with_token(&server.oauth_token("ada").mint()).await.json();
    let mut remaining = vec![&listed["result"]["tools"]];
    while let Some(value) = remaining.pop() {
        assert!(!value["type"].is_array(), "{value:#}");
        remaining.extend(value.as_array().into_iter().flatten());
        remaining.extend(value.as_object().into_iter().flat_map(serde_json::Map::values));
    }
}

/// Every failure of Clerk is a result with `isError`, never an HTTP error.
#[tokio::test]
async fn a_tool_reports_how_clerk_failed() {
    let clerk = MockServer::start().await;
    let server = TestServer::builder()
        .set("CLERK_API_URL", clerk.uri())
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    let mut texts = Vec::new();
    for (what, response) in [
        (
            "401",
            ResponseTemplate::new(401).set_body_json(json!({ "errors": [{ "code": "clerk_key_invalid" }] })),
        ),
        ("403", ResponseTemplate::new(403)),
        ("404", ResponseTemplate::new(404)),
        (
            "429",
            ResponseTemplate::new(429).insert_header("Retry-After", "7"),
        ),
        ("429 without a time", ResponseTemplate::new(429)),
        ("500", ResponseTemplate::new(500)),
        ("422", ResponseTemplate::new(422)),
        (
            "redirect",
            ResponseTemplate::new(302).insert_header("Location", "https://evil.test"),
        ),
        ("not JSON", ResponseTemplate::new(200).set_body_string("<html>")),
        (
            "other JSON",
            ResponseTemplate::new(200).set_body_json(json!({ "id": 1 })),
        ),
        (
            "2 MB",
            ResponseTemplate::new(200).set_body_bytes(vec![b' '; 2 << 20]),
        ),
    ] {
        let _mock = Mock::given(any())
            .respond_with(response)
            .mount_as_scoped(&clerk)
            .await;
        let request = server
            .rpc("tools/call", &json!({ "name": "whoami", "arguments": {} }))
            .bearer_auth(&token);
        let answer = Exchange::of(request).await;
        assert_eq!(answer.status, 200, "{what}");
        assert_eq!(answer.json()["result"]["isError"], true, "{what}");
        // Failures are cached for a second.
        server.clock.advance(std::time::Duration::from_secs(1));
        texts.push(format!("{what}: {}", text(&answer.json())));
    }
    insta::assert_snapshot!(texts.join("\n"), @"
    401: Clerk rejected this server's secret key. Trying again won't help; tell the server's operator.
    403: Clerk does not allow this for this application. Trying again won't help; tell the server's operator.
    404: Clerk has no object with this id; it may have been deleted. Trying again won't help.
    429: Clerk's rate limit for this server is exceeded. Try again in 7 s.
    429 without a time: Clerk's rate limit for this server is exceeded. Try again in 10 s.
    500: Clerk is not available at the moment. Try again in a minute.
    422: Clerk rejected the request (HTTP status 422). Trying again won't help; tell the server's operator.
    redirect: Clerk rejected the request (HTTP status 302). Trying again won't help; tell the server's operator.
    not JSON: Clerk sent an unexpected response. Trying again is unlikely to help; tell the server's operator.
    other JSON: Clerk sent an unexpected response. Trying again is unlikely to help; tell the server's operator.
    2 MB: Clerk sent an unexpected response. Trying again is unlikely to help; tell the server's operator.
    ");
}

#[tokio::test]
async fn an_unreachable_backend_api_is_reported_as_unavailable() {
    let server = TestServer::builder()
        .set("CLERK_API_URL", "http://127.0.0.1:9")
        .spawn()
        .await;
    let token = server.oauth_token("ada").mint();
    for tool in ["whoami", "get-user-info", "get-my-organizations"] {
        let answer = server.call(&token, tool, json!({})).await;
        assert_eq!(
            text(&answer),
            "Clerk is not available at the moment. Try again in a minute.",
            "{tool}"
        );
    }
}

/// The tools of a user's own server, with rmcp's macros and nothing else.
#[derive(Clone)]
struct Shop;

#[derive(Deserialize, JsonSchema)]
struct OrderInput {
    item: String,
    lines: Vec<Line>,
}

#[derive(Deserialize, JsonSchema)]
struct Line {
    count: u8,
}

#[tool_router]
impl Shop {
    #[tool(name = "order", description = "Orders.")]
    async fn order(&self, Parameters(OrderInput { item, lines }): Parameters<OrderInput>) -> String {
        let count: u32 = lines.iter().map(|line| u32::from(line.count)).sum();
        format!("{count} {item}")
    }
}

#[tool_handler(name = "shop", version = "1.0.0")]
impl ServerHandler for Shop {}

#[tokio::test]
async fn argument_errors_of_any_server_name_the_argument() {
    for direct in [false, true] {
        let mut builder = TestServer::builder();
        if direct {
            builder = builder.direct_tools(["order"]);
        }
        let server = builder.spawn_with(Shop).await;
        let token = server.oauth_token("ada").mint();
        let call = async |arguments: Value| server.call(&token, "order", arguments).await;
        let valid = call(json!({ "item": "tea", "lines": [{ "count": 2 }] })).await;
        assert_eq!(text(&valid), "2 tea");
        let mut texts = Vec::new();
        for arguments in [
            json!({ "lines": 5 }),
            json!({ "item": "tea", "lines": [{ "count": 1 }, { "count": "2" }] }),
            json!({ "item": "tea", "lines": [{ "count": 256 }] }),
            json!({ "item": "tea", "lines": [{ "count": 1.0 }] }),
        ] {
            let answer = call(arguments).await;
            assert_eq!(answer["result"]["isError"], true, "{answer}");
            texts.push(text(&answer).to_owned());
        }
        insta::allow_duplicates! {
            insta::assert_snapshot!(texts.join("\n"), @"
            The argument `item` is missing. The argument `lines` must be of type array.
            The argument `lines[1].count` must be of type integer.
            The argument `lines[0].count` must be at most 255.
            The arguments are invalid: invalid type: floating point `1.0`, expected u8.
            ");
        }
    }
}
