//! Requirements of tools: calls are rejected before the tool runs, and the response says whether signing in
//! again helps.

use clerk_mcp::{
    app::App,
    policy::{Requirement, ToolPolicy},
};
use local_clerk::{Endpoint, mint::Recipe};
use serde_json::{Value, json};

use crate::support::{
    Exchange, TestServer,
    server::{RESOURCE, config},
};

async fn server() -> TestServer {
    let policy = ToolPolicy::new()
        .require(
            "greet",
            Requirement::new().scopes(["greetings:read", "greetings:write"]),
        )
        .require("whoami", Requirement::new().role("org:admin"))
        .require(
            "get-user-info",
            Requirement::new().permissions(["org:billing:manage", "org:reports:read"]),
        );
    TestServer::builder().policy(policy).spawn().await
}

/// Returns a session token for Ada in the organization with this slug.
fn in_organization(server: &TestServer, slug: &str) -> Recipe {
    server.clerk.session_token_in("ada", slug).unwrap()
}

async fn call(server: &TestServer, token: &Recipe, tool: &str) -> Exchange {
    let arguments = if tool == "greet" {
        json!({ "name": "Ada" })
    } else {
        json!({})
    };
    let params = json!({ "name": tool, "arguments": arguments });
    Exchange::of(server.rpc("tools/call", &params).bearer_auth(token.mint())).await
}

#[tokio::test]
async fn one_challenge_names_all_scopes_of_a_tool() {
    let server = server().await;
    let with = |scopes: &[&str]| {
        server
            .clerk
            .oauth_token("ada", "client", scopes, Some(RESOURCE))
            .unwrap()
    };
    insta::assert_snapshot!(call(&server, &with(&["greetings:read"]), "greet").await.text(&[]), @r#"
    403 Forbidden
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin
    www-authenticate: Bearer error="insufficient_scope", error_description="Required scopes: greetings:read greetings:write", scope="greetings:read greetings:write", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"

    {
      "error": "insufficient_scope",
      "error_description": "Required scopes: greetings:read greetings:write"
    }
    "#);
    assert_eq!(
        call(&server, &with(&["greetings:write", "greetings:read"]), "greet")
            .await
            .status,
        200
    );
}

/// A client that requests exactly the scopes of the challenge must be accepted. Otherwise it signs in again
/// forever.
#[tokio::test]
async fn challenge_of_a_tool_includes_the_required_scopes_of_the_server() {
    let policy = ToolPolicy::new().require("greet", Requirement::new().scopes(["greetings:read", "profile"]));
    let server = TestServer::builder()
        .set("REQUIRED_SCOPES", "profile,email")
        .policy(policy)
        .spawn()
        .await;
    let with = |scopes: &[&str]| {
        server
            .clerk
            .oauth_token("ada", "client", scopes, Some(RESOURCE))
            .unwrap()
    };
    let refused = call(
        &server,
        &with(&["profile", "openid", "email", "offline_access"]),
        "greet",
    )
    .await;
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(
        // A client replaces its scopes by these. It adds `offline_access` itself, if it wants refresh tokens.
        challenge.contains(r#"scope="profile openid email greetings:read""#),
        "{challenge}"
    );
    assert_eq!(
        refused.json()["error_description"],
        "Required scopes: profile email greetings:read"
    );
    assert_eq!(
        call(&server, &with(&["profile", "email", "greetings:read"]), "greet")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn missing_role_is_403_without_a_challenge() {
    let server = server().await;
    insta::assert_snapshot!(call(&server, &in_organization(&server, "compiler-works"), "whoami").await.text(&[]), @r#"
    403 Forbidden
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: Origin

    {
      "error": "forbidden",
      "error_description": "Required role: org:admin"
    }
    "#);
    assert_eq!(
        server.clerk.request_count(Endpoint::BackendUser),
        0,
        "the tool did not run"
    );
    assert_eq!(
        call(&server, &in_organization(&server, "analytical-engines"), "whoami")
            .await
            .status,
        200
    );
    // Without an active organization the caller has no role.
    assert_eq!(
        call(&server, &server.session_token("ada"), "whoami").await.status,
        403
    );
}

#[tokio::test]
async fn missing_permission_is_named_in_the_response() {
    let server = server().await;
    let refused = call(
        &server,
        &in_organization(&server, "compiler-works"),
        "get-user-info",
    )
    .await;
    assert_eq!(
        refused.json()["error_description"],
        "Required permission: org:billing:manage"
    );
    assert_eq!(
        (refused.status.as_u16(), refused.header("www-authenticate")),
        (403, None)
    );
    assert_eq!(
        call(
            &server,
            &in_organization(&server, "analytical-engines"),
            "get-user-info"
        )
        .await
        .status,
        200
    );
    // The caller is not a member of the organization that the token names.
    assert_eq!(
        call(
            &server,
            &server.oauth_token("ada").claim("org_id", "org_x"),
            "get-user-info"
        )
        .await
        .status,
        403
    );
}

#[tokio::test]
async fn tool_without_a_requirement_is_open_to_every_caller() {
    let server = server().await;
    let token = server.session_token("alan");
    assert_eq!(call(&server, &token, "get-my-organizations").await.status, 200);
    assert_eq!(
        server.with_token(&token.mint()).await.status,
        200,
        "listing tools needs no permission"
    );
}

/// Two requirements of one tool both apply.
#[tokio::test]
async fn requirements_add_up() {
    let policy = ToolPolicy::new()
        .require(
            "greet",
            Requirement::new().scopes(["a"]).permissions(["org:x:read"]),
        )
        .require("greet", Requirement::new().scopes(["b"]).role("org:admin"));
    let both = Requirement::new()
        .scopes(["a", "b"])
        .role("org:admin")
        .permissions(["org:x:read"]);
    assert_eq!(policy.of("greet"), Some(&both));
    // A member has exactly one role, so no caller meets two.
    let two = ToolPolicy::new()
        .require("whoami", Requirement::new().role("org:admin"))
        .require("whoami", Requirement::new().role("org:member"));
    let server = TestServer::builder().policy(two).spawn().await;
    let admin = in_organization(&server, "analytical-engines");
    assert_eq!(call(&server, &admin, "whoami").await.status, 403);
}

/// A misspelled tool in the policy would leave the real tool open to every caller.
#[test]
fn policy_for_an_unknown_tool_is_rejected() {
    let values = [
        ("CLERK_SECRET_KEY", "sk_test_x"),
        ("CLERK_DOMAIN", "great-fox-12.clerk.accounts.dev"),
        ("BASE_URL", "http://localhost:3001"),
    ];
    let config = config(&values.map(|(name, value)| (name, value.to_owned())).into()).unwrap();
    let build = |tool: &str| {
        let policy = ToolPolicy::new().require(tool, Requirement::new().role("org:admin"));
        App::builder(&config).policy(policy).build()
    };
    assert!(build("greet").is_ok());
    let error = build("greeet").unwrap_err().to_string();
    assert_eq!(
        error,
        "the policy names a tool that the server does not have: greeet"
    );
}

/// The policy must see the same tool name as the code that runs the tool, for every valid JSON spelling.
#[tokio::test]
async fn policy_applies_to_every_spelling_of_a_call() {
    let server = server().await;
    let token = server.session_token("alan").mint();
    let post = |body: &str| {
        let request = server
            .request(reqwest::Method::POST, "/mcp")
            .bearer_auth(&token)
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json");
        Exchange::of(request.body(body.to_owned()))
    };
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}"#,
        r#"{"params":{"arguments":{},"name":"whoami"},"method":"tools/call","id":1,"jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"who\u0061mi"}}"#,
        " \n{\"jsonrpc\":\"2.0\",\"id\":1,\"\\u006dethod\":\"tools/call\",\"params\":{\"\\u006eame\":\"whoami\"}}",
    ] {
        assert_eq!(post(body).await.status, 403, "{body}");
    }
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet2","name":"whoami"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"whoami"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"},"params":{"name":"whoami"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["whoami"]}"#,
    ] {
        let answer = post(body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["error"]["code"].is_i64(), "{body}");
        // The response has the id if it could be read, so that the client can match it.
        let repeated = |member: &str| body.matches(member).count() > 1;
        let id = if repeated("\"method\"") || repeated("\"params\"") {
            Value::Null
        } else {
            json!(1)
        };
        assert_eq!(answer.json()["id"], id, "{body}");
    }
    let modern = json!({
        "name": "whoami",
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    });
    for name in ["whoami", "get-my-organizations"] {
        let request = server
            .rpc("tools/call", &modern)
            .bearer_auth(&token)
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", name);
        assert_eq!(
            Exchange::of(request).await.status,
            403,
            "the body names the tool, not the Mcp-Name header: {name}"
        );
    }
    assert_eq!(
        server.clerk.request_count(Endpoint::BackendUser),
        0,
        "no tool ran"
    );
}

/// Starts each example as a program and calls its tools.
#[tokio::test]
async fn the_examples_run() {
    let clerk = local_clerk::LocalClerk::builder().start().await.unwrap();
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_clerk-mcp"))
        .parent()
        .unwrap()
        .join("examples");
    let call = async |example: &str, token: Recipe, tool: &str| {
        let mut server = std::process::Command::new(folder.join(example))
            .env_clear()
            .envs(clerk.environment())
            .envs([("BASE_URL", "http://127.0.0.1:3001"), ("PORT", "0")])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        // The pipe stays open, because the program fails if it cannot write its log.
        let mut log = std::io::BufReader::new(server.stderr.take().unwrap());
        std::io::BufRead::read_line(&mut log, &mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        // Revision 2026-07-28, in which requests need no MCP session.
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let arguments = match tool {
            "greet-me" => json!({ "language": "en" }),
            _ => json!({}),
        };
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let request = crate::support::http()
            .post(format!("http://{address}/mcp"))
            .bearer_auth(token.mint())
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", tool)
            .json(&message);
        let answer = request.send().await.unwrap();
        let outcome = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
        server.kill().unwrap();
        server.wait().unwrap();
        outcome
    };
    let oauth = clerk
        .oauth_token("ada", "client", &["profile"], Some("http://127.0.0.1:3001/mcp"))
        .unwrap();
    let (_, answer) = call("quickstart", oauth.clone(), "greet-me").await;
    assert_eq!(answer["result"]["content"][0]["text"], "Hello, Ada!", "{answer}");
    let (_, answer) = call("everything", oauth, "test_input_required_result_request_state").await;
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    let scoped = clerk
        .oauth_token("ada", "client", &["email"], Some("http://127.0.0.1:3001/mcp"))
        .unwrap();
    assert_eq!(call("policy", scoped, "my-plan").await.0, 200);
    let member = clerk.session_token_in("ada", "compiler-works").unwrap();
    assert_eq!(call("policy", member, "delete-invoices").await.0, 403);
    let admin = clerk.session_token_in("ada", "analytical-engines").unwrap();
    let organization = clerk.sample_users()[0].organizations[0].id.clone();
    let by_oauth = clerk
        .oauth_token(
            "ada",
            "client",
            &["user:org:read"],
            Some("http://127.0.0.1:3001/mcp"),
        )
        .unwrap()
        .claim("org_id", organization);
    for admin in [admin, by_oauth.clone()] {
        let (_, answer) = call("policy", admin, "delete-invoices").await;
        assert_eq!(answer["result"]["content"][0]["text"], "Deleted.", "{answer}");
    }
    let (_, answer) = call("policy", by_oauth, "list-invoices").await;
    assert_eq!(
        answer["result"]["content"][0]["text"], "No invoices in analytical-engines",
        "{answer}"
    );
}
