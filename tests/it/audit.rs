//! The audit log: one event for each tool call, with ids only.

use clerk_mcp::policy::{Requirement, ToolPolicy};
use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::support::{
    Exchange, TestServer,
    log::CapturedLog,
    server::{RESOURCE, foreign_key},
};

const TARGET: &str = "clerk_mcp::audit";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn builder() -> crate::support::server::Builder {
    let policy = ToolPolicy::new()
        .require("greet", Requirement::new().scopes(["greetings:read"]))
        .require("get-user-info", Requirement::new().role("org:admin"));
    TestServer::builder().policy(policy)
}

async fn call(server: &TestServer, token: &str, tool: &str, arguments: &Value) -> Exchange {
    let params = json!({ "name": tool, "arguments": arguments });
    let request = server.rpc("tools/call", &params).bearer_auth(token);
    Exchange::of(request.header("traceparent", TRACE)).await
}

#[tokio::test]
async fn each_tool_call_is_logged_with_its_outcome() {
    let log = CapturedLog::start();
    let server = builder().spawn().await;
    let scopes = ["email", "greetings:read", "user:org:read"];
    let oauth = server
        .clerk
        .oauth_token("ada", "client_test", &scopes, Some(RESOURCE));
    let oauth = oauth
        .unwrap()
        .claim("org_id", "org_2sAnalyticalEngines000000AE")
        .mint();
    let session = server.session_token("ada").mint();
    for (token, tool, arguments) in [
        (&oauth, "greet", json!({ "name": "Grace" })),
        (&oauth, "greet", json!({})),
        (&oauth, "drop-tables", json!({})),
        (&oauth, "get-user-info", json!({})),
        (&session, "greet", json!({ "name": "Grace" })),
        (&session, "get-user-info", json!({})),
    ] {
        call(&server, token, tool, &arguments).await;
    }
    // These are not tool calls of an authenticated caller.
    server.with_token(&oauth).await;
    let forged = server.oauth_token("ada").signed_by(&foreign_key()).mint();
    call(&server, &forged, "greet", &json!({})).await;
    let mut events = log.events(TARGET);
    for event in &mut events {
        let fields = event.as_object_mut().unwrap();
        assert!(fields.remove("milliseconds").unwrap().as_f64().unwrap() >= 0.0);
        assert_eq!(fields.remove("request_id").unwrap().as_str().unwrap().len(), 36);
    }
    insta::assert_json_snapshot!(events);
}

#[tokio::test]
async fn audit_log_can_be_turned_off() {
    let log = CapturedLog::start();
    let server = builder().set("AUDIT", "off").spawn().await;
    call(&server, &server.session_token("ada").mint(), "whoami", &json!({})).await;
    assert!(log.text().contains("clerk_mcp::access"), "nothing was captured");
    assert_eq!(log.events(TARGET), Vec::<Value>::new());
}

/// The fields that an event may have.
const FIELDS: [&str; 12] = [
    "message",
    "tool",
    "outcome",
    "reason",
    "user",
    "organization",
    "client_id",
    "token_type",
    "required_scopes",
    "milliseconds",
    "request_id",
    "trace_id",
];

#[test]
fn arguments_and_claims_never_get_into_an_event() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let log = CapturedLog::start();
    let server = runtime.block_on(builder().spawn());
    // The prefix is in no id, so that a found text cannot be a coincidence.
    let text = "[!-~]{0,20}".prop_map(|text| format!("zzsecretzz{text}"));
    let mut runner = TestRunner::new(Config::with_cases(64));
    runner
        .run(&(text, 0..3_usize), |(text, tool)| {
            let token = server
                .oauth_token("ada")
                .claim("email", text.clone())
                .claim("name", text.clone())
                .claim("org_role", text.clone());
            let tool = ["greet", "whoami", "get-user-info"][tool];
            let arguments = json!({ "name": text, (text.clone()): text });
            runtime.block_on(call(&server, &token.mint(), tool, &arguments));
            Ok(())
        })
        .unwrap();
    let events = log.events(TARGET);
    assert_eq!(events.len(), 64);
    for event in events {
        assert!(!event.to_string().contains("zzsecretzz"), "{event}");
        for name in event.as_object().unwrap().keys() {
            assert!(FIELDS.contains(&name.as_str()), "{event}");
        }
    }
}
