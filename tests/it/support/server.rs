//! One way to spawn a server: the same [`app`] as in production, a local Clerk beside it, and a clock that tests move.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, LazyLock},
};

use clerk_mcp::{
    app::App,
    clerk::SecretKeyProbe,
    clock::{Clock, ManualClock},
    config::{Config, ConfigError, Variables},
    http::{ServerLimits, serve},
    mcp::{ExampleTools, McpSessions},
    policy::ToolPolicy,
};
use jiff::Timestamp;
use local_clerk::{
    LocalClerk,
    mint::{Recipe, SigningKey},
};
use poem::{Endpoint, EndpointExt, IntoEndpoint, endpoint::BoxEndpoint};
use reqwest::{Method, RequestBuilder};
use rmcp::ServerHandler;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use super::Exchange;

/// The URL that the server publishes itself under, unless it's asked to use its own address.
pub const BASE_URL: &str = "https://mcp.example.com";
/// The audience of right OAuth tokens.
pub const RESOURCE: &str = "https://mcp.example.com/mcp";

/// When every test begins.
pub fn start_time() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// One key for the whole process: generating RSA keys is what tests would otherwise wait for.
pub fn signing_key() -> SigningKey {
    static KEY: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::generate("ins_2test000000000000000000000"));
    KEY.clone()
}

/// A key that no Clerk publishes.
pub fn foreign_key() -> SigningKey {
    static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("ins_2foreign0000000000000000"));
    KEY.clone()
}

/// What a test server is made of.
#[derive(Default)]
pub struct Builder {
    variables: Vec<(&'static str, String)>,
    own_address: bool,
    background: bool,
    policy: ToolPolicy,
    sessions: Option<McpSessions>,
    protected: Vec<(&'static str, BoxEndpoint<'static>)>,
}

impl Builder {
    /// Sets a variable of the configuration.
    pub fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Publishes the address it listens on, for clients that follow what is published.
    pub fn published_at_its_own_address(mut self) -> Self {
        self.own_address = true;
        self
    }

    /// Runs as in production, with all that goes on in the background; else only when a test says so.
    pub fn with_background(mut self) -> Self {
        self.background = true;
        self
    }

    /// Asks of callers what `policy` says.
    pub fn policy(mut self, policy: ToolPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Serves an endpoint at `path`, too.
    pub fn protect(
        mut self,
        path: &'static str,
        endpoint: impl IntoEndpoint<Endpoint = impl Endpoint + 'static>,
    ) -> Self {
        self.protected.push((path, endpoint.map_to_response().boxed()));
        self
    }

    /// Turns MCP sessions on, with the default options as changed by `change`.
    pub fn sessions(mut self, change: impl FnOnce(&mut McpSessions)) -> Self {
        change(self.sessions.insert(McpSessions::default()));
        self
    }

    /// Starts it.
    pub async fn spawn(self) -> TestServer {
        self.spawn_with(ExampleTools::new("Clerk MCP server")).await
    }

    /// Starts it with the tools of `handler`.
    pub async fn spawn_with(self, handler: impl ServerHandler + Clone) -> TestServer {
        let clock = ManualClock::at(start_time());
        let clerk_clock = clock.clone();
        let clerk = LocalClerk::builder()
            .signing_key(signing_key())
            .clock(move || clerk_clock.now())
            .start()
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut values: HashMap<&str, String> = HashMap::from([("BASE_URL", BASE_URL.to_owned())]);
        if self.own_address {
            values.insert("BASE_URL", url.clone());
        }
        values.extend(clerk.environment());
        values.extend(self.variables);
        let config = config(&values).unwrap();
        let mut app = App::builder(&config)
            .clock(Arc::new(clock.clone()))
            .policy(self.policy)
            .server(handler);
        for (path, endpoint) in self.protected {
            app = app.protect(path, endpoint);
        }
        if let Some(sessions) = self.sessions {
            app = app.sessions(sessions);
        }
        let app = app.build().unwrap();
        let limits = ServerLimits::new(config.limits.max_connections, config.limits.shutdown_grace);
        let probe = app.probe.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        let task = if self.background {
            tokio::spawn(async { app.run(listener, stopped).await.unwrap() })
        } else {
            tokio::spawn(async move { serve(listener, app.endpoint, limits, stopped).await.unwrap() })
        };
        TestServer {
            url,
            clerk,
            clock,
            probe,
            http: reqwest::Client::new(),
            stop: Some(stop),
            task,
        }
    }
}

/// The configuration of these variables alone: neither the process's environment nor a file.
pub fn config(values: &HashMap<&str, String>) -> Result<Config, ConfigError> {
    let variables = Variables::from_sources(
        &HashMap::new(),
        |name| values.get(name).cloned(),
        Path::new("/nonexistent/.env"),
    )?;
    Config::from_variables(&variables)
}

/// A running server. It stops when dropped.
pub struct TestServer {
    pub url: String,
    pub clerk: LocalClerk,
    pub clock: ManualClock,
    /// What asks Clerk about the secret key; here only when a test says so.
    pub probe: SecretKeyProbe,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl TestServer {
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub async fn spawn() -> Self {
        Self::builder().spawn().await
    }

    /// Asks the server to stop.
    pub fn begin_stop(&mut self) {
        self.stop = None;
    }

    /// Asks the server to stop, and waits until it has.
    pub async fn stop(mut self) {
        self.begin_stop();
        self.task.await.unwrap();
    }

    /// A request to `path`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Exchange {
        Exchange::of(self.request(Method::GET, path)).await
    }

    /// An MCP request that anybody may send: `tools/list`, with these headers besides.
    pub fn mcp(&self) -> RequestBuilder {
        self.rpc("tools/list", &json!({}))
    }

    /// A JSON-RPC request.
    pub fn rpc(&self, method: &str, params: &Value) -> RequestBuilder {
        self.request(Method::POST, "/mcp")
            .header("Accept", "application/json, text/event-stream")
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
    }

    /// `tools/list` with this token.
    pub async fn with_token(&self, token: &str) -> Exchange {
        Exchange::of(self.mcp().bearer_auth(token)).await
    }

    /// The status that a token gets.
    pub async fn status_of(&self, recipe: Recipe) -> u16 {
        self.with_token(&recipe.mint()).await.status.as_u16()
    }

    /// Calls a tool as the holder of `token`; gives the JSON-RPC response.
    pub async fn call(&self, token: &str, tool: &str, arguments: Value) -> Value {
        let request = self
            .rpc("tools/call", &json!({ "name": tool, "arguments": arguments }))
            .bearer_auth(token);
        Exchange::of(request).await.json()
    }

    /// A right session token of a sample user.
    pub fn session_token(&self, user: &str) -> Recipe {
        self.clerk.session_token(user).unwrap()
    }

    /// A right OAuth access token of a sample user.
    pub fn oauth_token(&self, user: &str) -> Recipe {
        self.clerk
            .oauth_token(user, "client_test", &["profile", "email"], Some(RESOURCE))
            .unwrap()
    }
}
