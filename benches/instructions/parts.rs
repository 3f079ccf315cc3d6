//! The parts that are counted.

use std::{collections::HashMap, env, hint::black_box, io, path::Path, sync::Arc, time::Duration};

use clerk_mcp::{
    app::App,
    auth::{Authenticator, ChallengeContext},
    clock::SystemClock,
    config::{Config, Variables},
    http::{ServerLimits, serve},
    token::{AudiencePolicy, BearerToken, ResourceNames, StaticKey, TokenKind, TokenPolicy, TokenVerifier},
};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use local_clerk::mint::{Recipe, SigningKey};
use poem::{EndpointExt, endpoint::BoxEndpoint};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use tracing_subscriber::EnvFilter;

use crate::references;

/// A whole request, or a part of one.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    run: Run,
}

#[derive(Clone, Copy)]
enum Run {
    Headers,
    SeenToken,
    Reference(Sent),
    Request(Sent),
}

/// A request, and the status of its response.
#[derive(Clone, Copy)]
struct Sent {
    line: &'static str,
    headers: &'static str,
    body: &'static str,
    has_token: bool,
    status: u16,
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
            name: "reference: poem hello",
            run: Run::Reference(Sent {
                line: "GET /hello",
                ..HEALTH
            }),
        },
        Self {
            name: "reference: rmcp tools/call",
            run: Run::Reference(CALL),
        },
        Self {
            name: "request: /healthz",
            run: Run::Request(HEALTH),
        },
        Self {
            name: "request: 401 without a token",
            run: Run::Request(Sent {
                has_token: false,
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
        let bearer = format!("Bearer {}", secrets.token);
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
            Run::Reference(sent) => requests(&runtime, references::app().boxed(), sent, times, secrets),
            Run::Request(sent) => requests(&runtime, app(&secrets.public_key), sent, times, secrets),
        }
    }
}

/// Sends a request this many times, through the accept loop.
fn requests(runtime: &Runtime, endpoint: BoxEndpoint<'static>, sent: Sent, times: u64, secrets: &Secrets) {
    // The same log as `clerk-mcp serve` writes, except that it is discarded.
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_env_filter(EnvFilter::new("info,rmcp=warn"))
        .with_writer(io::sink)
        .init();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = ServerLimits::new(16, Duration::ZERO);
        let server = tokio::spawn(serve(listener, endpoint, limits, std::future::pending()));
        let request = sent.to(HOST, secrets);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut response = vec![0; 64 * 1024];
        let mut length = None;
        for _ in 0..times {
            stream.write_all(request.as_bytes()).await.unwrap();
            match length {
                // All responses have the same length.
                Some(length) => {
                    let response = response.get_mut(..length).unwrap();
                    stream.read_exact(response).await.unwrap();
                    assert!(response.starts_with(format!("HTTP/1.1 {}", sent.status).as_bytes()));
                }
                None => length = Some(stream.read(&mut response).await.unwrap()),
            }
        }
        server.abort();
    });
}

impl Sent {
    fn to(self, host: &str, secrets: &Secrets) -> String {
        let Self {
            line,
            headers,
            body,
            has_token,
            ..
        } = self;
        let mut text = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{headers}");
        if has_token {
            text.extend(["Authorization: Bearer ", secrets.token.as_str(), "\r\n"]);
        }
        if !body.is_empty() {
            let length = body.len().to_string();
            text.extend(["Content-Length: ", length.as_str(), "\r\n"]);
        }
        format!("{text}\r\n{body}")
    }
}

/// A key and a token signed by it. They are made before the measurement, because that takes long under
/// valgrind.
#[derive(Clone)]
pub(crate) struct Secrets {
    public_key: String,
    token: String,
}

impl Secrets {
    pub(crate) fn generate() -> Self {
        let key = SigningKey::generate("ins_bench");
        let token = Recipe::new()
            .header("alg", "RS256")
            .header("typ", "at+jwt")
            .header("kid", key.kid())
            .claim("iss", ISSUER)
            .claim("sub", "user_2sAdaLovelace0000000000000A")
            .claim("aud", format!("{BASE_URL}/mcp"))
            .claim("client_id", "client_2bench")
            .claim("scope", "profile email")
            .claim("exp", 4_000_000_000_u64)
            .signed_by(&key)
            .mint();
        Self {
            public_key: key.public_key_pem(),
            token,
        }
    }

    pub(crate) fn to_environment(&self) -> [(&'static str, &str); 2] {
        [
            ("BENCH_PUBLIC_KEY", &self.public_key),
            ("BENCH_TOKEN", &self.token),
        ]
    }

    #[expect(clippy::disallowed_methods, reason = "hands the key to a child process")]
    pub(crate) fn from_environment() -> Self {
        Self {
            public_key: env::var("BENCH_PUBLIC_KEY").unwrap(),
            token: env::var("BENCH_TOKEN").unwrap(),
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
    let variables = Variables::from_sources(&HashMap::new(), lookup, Path::new("/nonexistent/.env")).unwrap();
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
    let verifier = TokenVerifier::new(StaticKey::from_pem(public_key).unwrap(), policy, clock.clone());
    Authenticator::new(
        verifier,
        None,
        ChallengeContext::new(&resources, Vec::new()),
        clock,
    )
}

const BASE_URL: &str = "https://mcp.example.com";
const HOST: &str = "mcp.example.com";
const ISSUER: &str = "https://clerk.example.com";
const HEALTH: Sent = Sent {
    line: "GET /healthz",
    headers: "",
    body: "",
    has_token: false,
    status: 200,
};
const CALL: Sent = Sent {
    line: "POST /mcp",
    headers: "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n",
    body: r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{"name":"Ada"}}}"#,
    has_token: true,
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
