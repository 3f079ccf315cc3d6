//! The parts that are counted.

use std::{collections::HashMap, hint::black_box, io, sync::Arc, time::Duration};

use clerk_mcp::{
    app::App,
    auth::{Authenticator, ChallengeContext},
    clock::SystemClock,
    config::{Config, Variables},
    http::{self, ServerLimits},
    token::{AudiencePolicy, BearerToken, ResourceNames, StaticKey, TokenKind, TokenPolicy, TokenVerifier},
};
use local_clerk::mint::{Recipe, SigningKey};
use poem::{
    endpoint::BoxEndpoint,
    http::{HeaderMap, HeaderValue, header::AUTHORIZATION},
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
};
use tracing_subscriber::EnvFilter;

use crate::json_lines::JsonLines;

/// A whole request, or a part of one.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    run: Run,
}

#[derive(Clone, Copy)]
enum Run {
    Headers,
    SeenToken,
    Request(Sent),
}

/// A request, and the status of its response.
#[derive(Clone, Copy)]
struct Sent {
    line: &'static str,
    headers: &'static str,
    body: &'static str,
    token: Token,
    status: u16,
}

/// The token of a request.
#[derive(Clone, Copy)]
enum Token {
    Missing,
    Seen,
    /// Another one for each request.
    New,
}

impl Part {
    pub(crate) const ALL: &[Self] = &[
        Self {
            name: "bearer token of a request",
            run: Run::Headers,
        },
        Self {
            name: "token, seen",
            run: Run::SeenToken,
        },
        Self {
            name: "request: /healthz",
            run: Run::Request(HEALTH),
        },
        Self {
            name: "request: 401 without a token",
            run: Run::Request(Sent {
                token: Token::Missing,
                status: 401,
                ..CALL
            }),
        },
        Self {
            name: "request: tools/call, 2025-11-25",
            run: Run::Request(CALL),
        },
        Self {
            name: "request: tools/call, 2026-07-28",
            run: Run::Request(MODERN_CALL),
        },
        Self {
            name: "request: tools/call, new token",
            run: Run::Request(Sent {
                token: Token::New,
                ..CALL
            }),
        },
        Self {
            name: "request: tools/call through rmcp",
            run: Run::Request(CALL_THROUGH_RMCP),
        },
    ];

    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|part| part.name == name)
    }

    /// Runs the part this many times.
    pub(crate) fn run(&self, times: u64, secrets: &Secrets) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", secrets.tokens.first().unwrap());
        headers.insert(AUTHORIZATION, HeaderValue::try_from(bearer).unwrap());
        match self.run {
            Run::Headers => {
                for _ in 0..times {
                    black_box(BearerToken::from_headers(black_box(&headers))).unwrap();
                }
            }
            Run::SeenToken => {
                let authenticator = authenticator(&secrets.public_key);
                for _ in 0..times {
                    let seen = runtime.block_on(authenticator.authenticate(black_box(&headers)));
                    black_box(seen.unwrap());
                }
            }
            Run::Request(sent) => {
                start_log();
                let endpoint = app(&secrets.public_key);
                runtime.block_on(requests(endpoint, sent, times, &secrets.tokens));
            }
        }
    }
}

/// Starts the log of `clerk-mcp serve`, and discards its lines.
fn start_log() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .map_event_format(JsonLines)
        .with_env_filter(EnvFilter::new("info,rmcp=off,clerk_mcp::request=off"))
        .with_writer(io::sink)
        .init();
}

/// Serves `endpoint` until it is aborted.
async fn serve(listener: TcpListener, endpoint: BoxEndpoint<'static>) -> io::Result<()> {
    let limits = ServerLimits::new(16, Duration::ZERO);
    http::serve(listener, endpoint, limits, std::future::pending()).await
}

/// Serves `endpoint`, and sends it a request this many times.
async fn requests(endpoint: BoxEndpoint<'static>, sent: Sent, times: u64, tokens: &[String]) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, endpoint));
    let status = format!("HTTP/1.1 {}", sent.status);
    let requests: Vec<_> = match sent.token {
        Token::Missing => vec![sent.to(HOST, None)],
        Token::Seen => vec![sent.to(HOST, tokens.first())],
        Token::New => tokens.iter().map(|token| sent.to(HOST, Some(token))).collect(),
    };
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut response = vec![0; 64 * 1024];
    for request in requests.iter().cycle().take(times.try_into().unwrap()) {
        stream.write_all(request.as_bytes()).await.unwrap();
        // Small enough to arrive at once.
        let length = stream.read(&mut response).await.unwrap();
        assert!(length > 0 && response.starts_with(status.as_bytes()));
    }
    server.abort();
}

impl Sent {
    fn to(self, host: &str, token: Option<&String>) -> String {
        let Self {
            line, headers, body, ..
        } = self;
        let mut text = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{headers}");
        if let Some(token) = token {
            text.extend(["Authorization: Bearer ", token, "\r\n"]);
        }
        if !body.is_empty() {
            let length = body.len().to_string();
            text.extend(["Content-Length: ", length.as_str(), "\r\n"]);
        }
        format!("{text}\r\n{body}")
    }
}

/// A key and tokens signed by it. They are made before the measurement, because that takes long under
/// valgrind.
#[derive(Serialize, Deserialize)]
pub(crate) struct Secrets {
    public_key: String,
    tokens: Vec<String>,
}

impl Secrets {
    pub(crate) fn generate(tokens: usize) -> Self {
        let key = SigningKey::generate("ins_bench");
        let token = |number| {
            Recipe::new()
                .header("alg", "RS256")
                .header("typ", "at+jwt")
                .header("kid", key.kid())
                .claim("iss", ISSUER)
                .claim("sub", "user_2sAdaLovelace0000000000000A")
                .claim("aud", format!("{BASE_URL}/mcp"))
                .claim("client_id", "client_2bench")
                .claim("scope", "profile email")
                .claim("jti", format!("{number:06}"))
                .claim("exp", 4_000_000_000_u64)
                .signed_by(&key)
                .mint()
        };
        Self {
            public_key: key.public_key_pem(),
            tokens: (0..tokens).map(token).collect(),
        }
    }
}

/// Returns the endpoint of the server, as `clerk-mcp serve` would build it.
fn app(public_key: &str) -> BoxEndpoint<'static> {
    let values = HashMap::from([
        ("BASE_URL", BASE_URL),
        ("CLERK_DOMAIN", "clerk.example.com"),
        (
            "CLERK_SECRET_KEY",
            "sk_live_00000000000000000000000000000000000000000000",
        ),
        ("CLERK_JWT_KEY", public_key),
    ]);
    let lookup = |name: &str| values.get(name).map(|value| (*value).to_owned());
    let variables = Variables::from_sources(&HashMap::new(), lookup, None).unwrap();
    let config = Config::from_variables(&variables).unwrap();
    App::builder(&config).build().unwrap().endpoint
}

fn authenticator(public_key: &str) -> Authenticator {
    let resources = ResourceNames::new(&BASE_URL.parse().unwrap());
    let policy = TokenPolicy {
        issuer: ISSUER.to_owned(),
        accepted: vec![TokenKind::OAuthToken],
        audience: AudiencePolicy::Required,
        session_audience: AudiencePolicy::IfPresent,
        accepted_audiences: Vec::new(),
        resources: resources.clone(),
        authorized_parties: Vec::new(),
        leeway: Duration::from_secs(5),
    };
    let clock = Arc::new(SystemClock);
    let verifier = TokenVerifier::new(StaticKey::from_pem(public_key).unwrap(), policy, clock);
    Authenticator::new(verifier, None, ChallengeContext::new(&resources, Vec::new()))
}

const BASE_URL: &str = "https://mcp.example.com";
const HOST: &str = "mcp.example.com";
const ISSUER: &str = "https://clerk.example.com";
const HEALTH: Sent = Sent {
    line: "GET /healthz",
    headers: "",
    body: "",
    token: Token::Missing,
    status: 200,
};
const CALL: Sent = Sent {
    line: "POST /mcp",
    headers: "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n",
    body: r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{"name":"Ada"}}}"#,
    token: Token::Seen,
    status: 200,
};
const CALL_THROUGH_RMCP: Sent = Sent {
    headers: "Content-Type: application/json; charset=utf-8\r\nAccept: application/json, text/event-stream\r\n",
    ..CALL
};
const MODERN_CALL: Sent = Sent {
    headers: "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
              MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: greet\r\n",
    body: r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{"name":"Ada"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#,
    ..CALL
};
