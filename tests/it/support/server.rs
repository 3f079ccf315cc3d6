//! Starts test servers: the same [`App`] as in production, with its own local Clerk and a clock that the test
//! controls.

use std::{
    collections::HashMap,
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

use super::{Exchange, http};

/// The `BASE_URL` of a test server, unless the test asks for the address it listens on.
pub const BASE_URL: &str = "https://mcp.example.com";
/// The audience of valid OAuth tokens.
pub const RESOURCE: &str = "https://mcp.example.com/mcp";

/// Returns the time at which the clock of every test starts.
pub fn start_time() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// Returns the key of the local Clerk. All tests share it, because generating RSA keys is slow.
pub fn signing_key() -> SigningKey {
    static KEY: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::generate("ins_2test000000000000000000000"));
    KEY.clone()
}

/// Returns a key that the test server's local Clerk does not publish.
pub fn foreign_key() -> SigningKey {
    static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("ins_2foreign0000000000000000"));
    KEY.clone()
}

/// The settings of a test server.
#[derive(Default)]
pub struct Builder {
    variables: Vec<(&'static str, String)>,
    own_address: bool,
    background: bool,
    policy: ToolPolicy,
    sessions: Option<McpSessions>,
    direct_tools: Vec<&'static str>,
    protected: Vec<(&'static str, BoxEndpoint<'static>)>,
}

impl Builder {
    /// Sets a configuration variable.
    pub fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Uses the address that the server listens on as `BASE_URL`, for clients that follow published URLs.
    pub fn published_at_its_own_address(mut self) -> Self {
        self.own_address = true;
        self
    }

    /// Runs the background tasks as in production. By default they run only when a test triggers them.
    pub fn with_background(mut self) -> Self {
        self.background = true;
        self
    }

    /// Applies `policy` to tool calls.
    pub fn policy(mut self, policy: ToolPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Adds a protected endpoint at `path`.
    pub fn protect(
        mut self,
        path: &'static str,
        endpoint: impl IntoEndpoint<Endpoint = impl Endpoint + 'static>,
    ) -> Self {
        self.protected.push((path, endpoint.map_to_response().boxed()));
        self
    }

    /// Enables MCP sessions and configures them with `change`.
    pub fn sessions(mut self, change: impl FnOnce(&mut McpSessions)) -> Self {
        change(self.sessions.insert(McpSessions::default()));
        self
    }

    /// Calls these tools directly.
    pub fn direct_tools<const N: usize>(mut self, tools: [&'static str; N]) -> Self {
        self.direct_tools = tools.to_vec();
        self
    }

    /// Starts the server with the example tools, which are called directly, as in production.
    pub async fn spawn(mut self) -> TestServer {
        self.direct_tools = vec!["greet", "whoami", "get-user-info", "get-my-organizations"];
        self.spawn_with(ExampleTools::new("Clerk MCP server")).await
    }

    /// Starts the server with the tools of `handler`.
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
            .server(handler)
            .direct_tools(self.direct_tools);
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
            http: http(),
            stop: Some(stop),
            task,
        }
    }
}

/// Builds a configuration from `values` alone, ignoring the process environment and `.env` files.
pub fn config(values: &HashMap<&str, String>) -> Result<Config, ConfigError> {
    let variables = Variables::from_sources(&HashMap::new(), |name| values.get(name).cloned(), None)?;
    Config::from_variables(&variables)
}

/// A running server, which stops when dropped.
pub struct TestServer {
    pub url: String,
    pub clerk: LocalClerk,
    pub clock: ManualClock,
    /// The probe that checks the secret key with Clerk. It runs only when a test triggers it, or in the
    /// background if [`Builder::with_background`] is set.
    pub probe: SecretKeyProbe,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl TestServer {
    /// Returns a builder with the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts a server with the default settings.
    pub async fn spawn() -> Self {
        Self::builder().spawn().await
    }

    /// Tells the server to stop, without waiting for it.
    pub fn begin_stop(&mut self) {
        self.stop = None;
    }

    /// Stops the server and waits until it has stopped.
    pub async fn stop(mut self) {
        self.begin_stop();
        self.task.await.unwrap();
    }

    /// Builds a request to `path`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Sends `GET path`.
    pub async fn get(&self, path: &str) -> Exchange {
        Exchange::of(self.request(Method::GET, path)).await
    }

    /// Builds a `tools/list` request, which every authenticated caller may send.
    pub fn mcp(&self) -> RequestBuilder {
        self.rpc("tools/list", &json!({}))
    }

    /// Builds a JSON-RPC request to `/mcp`.
    pub fn rpc(&self, method: &str, params: &Value) -> RequestBuilder {
        self.request(Method::POST, "/mcp")
            .header("Accept", "application/json, text/event-stream")
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
    }

    /// Sends `tools/list` with this token.
    pub async fn with_token(&self, token: &str) -> Exchange {
        Exchange::of(self.mcp().bearer_auth(token)).await
    }

    /// Returns the status that a `tools/list` request with this token gets.
    pub async fn status_of(&self, recipe: Recipe) -> u16 {
        self.with_token(&recipe.mint()).await.status.as_u16()
    }

    /// Calls a tool with `token` and returns the JSON-RPC response.
    pub async fn call(&self, token: &str, tool: &str, arguments: Value) -> Value {
        let request = self
            .rpc("tools/call", &json!({ "name": tool, "arguments": arguments }))
            .bearer_auth(token);
        Exchange::of(request).await.json()
    }

    /// Returns the recipe of a valid session token for a sample user.
    pub fn session_token(&self, user: &str) -> Recipe {
        self.clerk.session_token(user).unwrap()
    }

    /// Returns the recipe of a valid OAuth access token for a sample user.
    pub fn oauth_token(&self, user: &str) -> Recipe {
        self.clerk
            .oauth_token(user, "client_test", &["profile", "email"], Some(RESOURCE))
            .unwrap()
    }
}
