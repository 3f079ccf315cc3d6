//! Direct calls: every request gets the same response as through the HTTP service of rmcp.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use clerk_mcp::{
    auth::{Authenticator, ChallengeContext, RequireAuth},
    clerk::ClerkClient,
    clock::ManualClock,
    context::get_session,
    mcp::{McpSettings, endpoint},
};
use poem::{Body, Endpoint, EndpointExt, Request, Response};
use proptest::{
    prelude::*,
    strategy::Union,
    test_runner::{Config, TestRunner},
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode, JsonObject, Tool,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

use crate::support::{
    start_time,
    verifier::{access_token, names, verifier},
};

/// A tool for each outcome of a call.
#[derive(Clone, Default)]
struct Outcomes {
    direct: Arc<AtomicUsize>,
}

const TOOLS: [&str; 8] = [
    "report",
    "structured",
    "list",
    "failed",
    "missing",
    "unsupported",
    "panic",
    "endless",
];

impl ServerHandler for Outcomes {
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if context.peer.is_transport_closed() {
            self.direct.fetch_add(1, Ordering::Relaxed);
        }
        let arguments = request.arguments.clone().unwrap_or_default();
        let result = match request.name.as_ref() {
            "report" => {
                tokio::task::yield_now().await;
                let parts = context.extensions.get::<http::request::Parts>().unwrap();
                let seen = format!(
                    "{} {request:?} {} {:?} {:?} {:?} {} {} {:?}",
                    get_session().unwrap().subject,
                    context.id,
                    context.protocol_version(),
                    context.client_info(),
                    context.client_capabilities(),
                    parts.method,
                    parts.uri,
                    parts.headers,
                );
                CallToolResult::success(vec![ContentBlock::text(seen)])
            }
            "structured" => CallToolResult::structured(Value::Object(arguments)),
            "list" => CallToolResult::structured(json!([1, 2])),
            "failed" => CallToolResult::error(vec![ContentBlock::text("failed")]),
            "missing" => return Err(ErrorData::resource_not_found("missing", Some(json!(arguments)))),
            "unsupported" => return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "no", None)),
            "panic" => panic!("a tool panicked"),
            "endless" => std::future::pending().await,
            other => return Err(ErrorData::invalid_params(format!("no tool {other}"), None)),
        };
        Ok(result.into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        TOOLS
            .iter()
            .find(|tool| **tool == name)
            .map(|tool| Tool::new(*tool, "A tool.", JsonObject::new()))
    }
}

/// Mounts the tools with authentication. The tools in `direct_tools` are called directly.
fn mount(tools: Outcomes, direct_tools: &[&str]) -> impl Endpoint {
    let clock = Arc::new(ManualClock::at(start_time()));
    let challenge = ChallengeContext::new(&names(), Vec::new());
    let mut settings = McpSettings::new(challenge.clone());
    settings.call_timeout = Duration::from_millis(20);
    settings.direct_tools = direct_tools.iter().map(|&tool| tool.to_owned()).collect();
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let client = ClerkClient::new(crate::support::http(), nowhere, "sk_test_x".into(), clock.clone());
    let authenticator = Authenticator::new(verifier(&clock), None, challenge);
    endpoint(tools, client, settings)
        .unwrap()
        .with(RequireAuth::new(authenticator))
}

/// A request, as headers and body.
#[derive(Debug, Clone)]
struct Sent {
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Sent {
    fn request(&self, token: &str) -> Request {
        let mut request = Request::builder()
            .method(http::Method::POST)
            .uri_str("/mcp")
            .header("Host", "mcp.example.com")
            .header("Authorization", format!("Bearer {token}"))
            .finish();
        for (name, value) in &self.headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request.set_body(Body::from_string(self.body.clone()));
        request
    }
}

/// Chooses one of `usual` in most cases, and one of `unusual` in the others.
fn mostly<T: Clone + std::fmt::Debug + 'static>(
    usual: &[T],
    unusual: &[T],
) -> impl Strategy<Value = T> + use<T> {
    Union::new_weighted(vec![
        (12, prop::sample::select(usual.to_vec()).boxed()),
        (1, prop::sample::select(unusual.to_vec()).boxed()),
    ])
}

/// The texts of JSON values, or nothing.
fn texts(values: &[&str]) -> Vec<Option<String>> {
    values
        .iter()
        .map(|value| (!value.is_empty()).then(|| (*value).to_owned()))
        .collect()
}

const MODERN: &str = r#"{
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
    "io.modelcontextprotocol/clientCapabilities": {}
}"#;

/// Any JSON value, as the text of an object's member.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1e400".to_owned()),
        Just("-0".to_owned()),
        Just("18446744073709551615".to_owned()),
        Just("{\"a\":1,\"a\":2}".to_owned()),
        any::<f64>().prop_map(|number| json!(number).to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        ".{0,8}".prop_map(|text| json!(text).to_string()),
        Just(r#""\ud800""#.to_owned()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(" ,"))),
            prop::collection::vec(("[a-c$:]{0,3}", inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{}: {value}", json!(name)))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn sent() -> impl Strategy<Value = Sent> {
    let head = (
        mostly(
            &["application/json"],
            &[
                "application/json; charset=utf-8",
                "Application/JSON",
                "text/plain",
                "",
            ],
        ),
        mostly(
            &[
                "application/json, text/event-stream",
                "text/event-stream, application/json",
                "application/json,text/event-stream",
            ],
            &[
                "application/json",
                "*/*",
                "",
                "application/json;q=0, text/event-stream",
                "Application/Json, text/event-stream;q=0.5",
            ],
        ),
        mostly(
            &[None],
            &[
                Some(("mcp-session-id", "x")),
                Some(("mcp-param-region", "eu")),
                Some(("mcp-protocol-version", "2025-06-18")),
                Some(("mcp-method", "tools/list")),
                Some(("mcp-name", "failed")),
                Some(("accept", "text/html")),
                Some(("content-type", "text/html")),
            ],
        ),
        mostly(&["tools/call"], &["tools/list", "", "Tools/Call"]),
        mostly(&["name"], &["=?base64?cmVwb3J0?=", "", "other"]),
    );
    let versions = mostly(
        &[
            "",
            "2024-11-05",
            "2025-03-26",
            "2025-06-18",
            "2025-11-25",
            "2026-07-28",
            "2026-07-28",
        ],
        &["2030-01-01", "x"],
    );
    let body = (
        mostly(&TOOLS, &["unknown", "\u{e9}", ""]),
        prop_oneof![
            Just(String::new()),
            json_text(),
            json_text().prop_map(|value| format!("{{\"x\":{value}}}"))
        ],
        mostly(
            &texts(&["1", "\"a\"", "-7", "9007199254740991"]),
            &texts(&[
                "1.0",
                "1e2",
                "1.5",
                "null",
                "",
                "\"\\u00e9\"",
                "9223372036854775808",
                "{}",
                "18446744073709551616",
            ]),
        ),
        mostly(
            &texts(&["usual"]),
            &texts(&[
                "",
                "{}",
                "null",
                "[]",
                r#"{"progressToken":1}"#,
                r#"{"x":{"y":1}}"#,
                r#"{"io.modelcontextprotocol/protocolVersion":"2025-06-18"}"#,
                r#"{"io.modelcontextprotocol/protocolVersion":7}"#,
                r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#,
                r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":7}"#,
            ]),
        ),
        mostly(
            &[""],
            &[
                r#","requestState":"s""#,
                r#","inputResponses":{}"#,
                r#","task":{}"#,
                r#","other":1"#,
                r#","name":"failed""#,
            ],
        ),
        mostly(&[""], &[r#","other":1"#, r#","result":{}"#, r#","id":2"#]),
    );
    (head, versions, body).prop_map(|(head, version, body)| {
        let (content_type, accept, extra, method, name_header) = head;
        let (tool, arguments, id, meta, param, member) = body;
        let is_modern = version == "2026-07-28";
        let meta = match meta {
            Some(meta) if meta == "usual" => is_modern.then(|| MODERN.to_owned()),
            meta => meta,
        };
        let mut params = format!("{{\"name\":{}", json!(tool));
        if !arguments.is_empty() {
            params.extend([", \"arguments\": ", arguments.as_str()]);
        }
        if let Some(meta) = meta {
            params.extend([",\"_meta\":", meta.as_str()]);
        }
        params.extend([param, "}"]);
        let id = id.map(|id| format!("\"id\":{id},")).unwrap_or_default();
        let body =
            format!("{{\"jsonrpc\":\"2.0\",{id}\"method\":\"tools/call\",\"params\":{params}{member}}}");
        let mut headers = vec![("content-type", content_type), ("accept", accept)];
        headers.push(("mcp-protocol-version", version));
        if is_modern {
            headers.push(("mcp-method", method));
            headers.push(("mcp-name", if name_header == "name" { tool } else { name_header }));
        }
        headers.retain(|(_, value)| !value.is_empty() && value.is_ascii());
        headers.extend(extra);
        Sent {
            headers: headers
                .into_iter()
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
            body,
        }
    })
}

/// Returns the whole response as text.
async fn text_of(response: Response) -> String {
    let (parts, body) = response.into_parts();
    let mut headers: Vec<_> = parts.headers.iter().map(|header| format!("{header:?}")).collect();
    headers.sort();
    format!(
        "{} {headers:?}\n{}",
        parts.status,
        body.into_string().await.unwrap()
    )
}

#[test]
fn direct_calls_get_the_same_responses() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let token = access_token().mint();
    let (with, without) = (Outcomes::default(), Outcomes::default());
    let (direct, through_rmcp) = (mount(with.clone(), &TOOLS), mount(without.clone(), &[]));
    let mut runner = TestRunner::new(Config::with_cases(1_000));
    runner
        .run(&sent(), |sent| {
            let responses = runtime.block_on(async {
                let direct = direct.get_response(sent.request(&token)).await;
                let through_rmcp = through_rmcp.get_response(sent.request(&token)).await;
                (text_of(direct).await, text_of(through_rmcp).await)
            });
            prop_assert_eq!(responses.0, responses.1);
            Ok(())
        })
        .unwrap();
    let calls = with.direct.load(Ordering::Relaxed);
    assert!(calls > 100, "only {calls} calls were direct");
    assert_eq!(without.direct.load(Ordering::Relaxed), 0);
}
