//! Traces, received by a collector of the test's own.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
};

use local_clerk::LocalClerk;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use serde_json::json;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::support::{
    http,
    program::{Folder, Running, program},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const MCP_CALLER: &str = "00f067aa0cc902c7";

/// Reads the log until the server listens. Returns its address.
fn address(server: &mut Running) -> String {
    let log = BufReader::new(server.0.stderr.as_mut().unwrap()).lines();
    let mut addresses = log.map_while(Result::ok).filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(&line).ok()?;
        (line["message"] == "listening").then(|| line["address"].as_str().unwrap().to_owned())
    });
    addresses.next().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("unexpected {other:?}"),
    }
}

fn attributes(span: &Span) -> HashMap<&str, String> {
    let all = span.attributes.iter();
    all.map(|one| (one.key.as_str(), text(one.value.as_ref().unwrap())))
        .collect()
}

#[tokio::test]
async fn request_verification_clerk_call_and_tool_are_in_the_callers_trace() {
    let collector = MockServer::start().await;
    Mock::given(path("/v1/traces"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&collector)
        .await;
    let clerk = LocalClerk::builder().start().await.unwrap();
    let folder = Folder::new("telemetry");
    let mut server = Running::start(
        program(&folder.0)
            .envs(clerk.environment())
            .args([
                "--port",
                "0",
                "--base-url",
                "http://127.0.0.1:1",
                "--log-format",
                "json",
            ])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.uri()),
    );
    let address = address(&mut server);
    let resource = Some("http://127.0.0.1:1/mcp");
    let recipe = clerk
        .oauth_token("ada", "client_1", &["profile", "email"], resource)
        .unwrap();
    let (token, expired) = (recipe.mint(), recipe.clone().claim("exp", 1).mint());
    let call = |tool: &str, meta| {
        let params = json!({ "name": tool, "arguments": {}, "_meta": meta });
        http()
            .post(format!("http://{address}/mcp"))
            .header("Accept", "application/json, text/event-stream")
            .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
    };
    let meta = json!({ "traceparent": format!("00-{TRACE}-{MCP_CALLER}-01") });
    for request in [
        call("get-user-info", meta).bearer_auth(&token),
        call("whoami", json!({})).bearer_auth(&token),
        call("made-up-by-a-client", json!({})).bearer_auth(&token),
        call("whoami", json!({})).bearer_auth(expired),
    ] {
        request.send().await.unwrap();
    }
    // The rest is sent when the program ends.
    assert_eq!(server.terminate(), Some(0));

    let exports = collector.received_requests().await.unwrap();
    let mut spans = Vec::new();
    for export in &exports {
        let raw = String::from_utf8_lossy(&export.body);
        for secret in [
            token.rsplit('.').next().unwrap(),
            clerk.secret_key(),
            "made-up-by-a-client",
            "user_",
        ] {
            assert!(!raw.contains(secret), "{secret} is in a trace");
        }
        let export = ExportTraceServiceRequest::decode(&*export.body).unwrap();
        for resource in export.resource_spans {
            let service = resource.resource.unwrap();
            let name = service.attributes.iter().find(|one| one.key == "service.name");
            assert_eq!(text(name.unwrap().value.as_ref().unwrap()), "clerk-mcp");
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let parent = |span: &Span| hex(&span.parent_span_id);
    let named = |name: &str| -> Vec<&Span> {
        let found: Vec<_> = spans
            .iter()
            .filter(|span| span.name == name && hex(&span.trace_id) == TRACE)
            .collect();
        assert!(!found.is_empty(), "{name} is not in the trace: {spans:#?}");
        found
    };
    let requests = named("POST /mcp");
    assert_eq!(requests.len(), 4);
    for span in &requests {
        assert_eq!(parent(span), CALLER);
        assert_eq!(attributes(span)["http.route"], "/mcp");
    }
    let is_request = |id: &str| requests.iter().any(|span| hex(&span.span_id) == id);
    let statuses: Vec<_> = requests
        .iter()
        .map(|span| attributes(span)["http.response.status_code"].clone())
        .collect();
    assert_eq!(
        statuses.iter().filter(|status| *status == "401").count(),
        1,
        "{statuses:?}"
    );
    let verifications = named("verify token");
    assert_eq!(verifications.len(), 4);
    assert!(verifications.iter().all(|span| is_request(&parent(span))));
    let rejected = verifications
        .iter()
        .find_map(|span| attributes(span).remove("error.type"));
    assert_eq!(rejected.as_deref(), Some("token-expired"));

    let with_meta = named("tools/call get-user-info");
    assert_eq!(parent(with_meta[0]), MCP_CALLER);
    let without_meta = named("tools/call whoami");
    assert!(is_request(&parent(without_meta[0])));
    let unknown = named("tools/call unknown");
    assert_eq!(attributes(unknown[0])["error.type"], "error");
    let user = named("clerk user");
    assert_eq!(
        parent(user[0]),
        hex(&with_meta[0].span_id),
        "the second tool finds the user in the cache"
    );
    assert!(
        spans
            .iter()
            .any(|span| span.name == "clerk key_set" && span.parent_span_id.is_empty()),
        "the background fetch of the keys has no parent"
    );
}
