//! Assembles the server from its parts. The program, the demo and the tests all build their server with
//! [`App::builder`].

mod authentication;
#[cfg(feature = "demo")]
pub(crate) mod demo;
mod lifecycle;
mod routes;

use std::{collections::BTreeSet, fmt, io, sync::Arc, time::Duration};

use poem::{EndpointExt, IntoEndpoint, endpoint::BoxEndpoint};
use rmcp::ServerHandler;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "demo")]
pub use self::demo::DemoError;
use self::{
    authentication::Authentication,
    routes::{Protected, routes},
};
pub use self::{
    authentication::authenticator,
    lifecycle::{ListenError, listen, shutdown_signal},
};
#[doc(inline)]
pub use crate::public::Health;
use crate::{
    clerk::SecretKeyProbe,
    clock::{Clock, SystemClock},
    config::Config,
    http::{ServerLimits, serve},
    mcp::{self, ExampleTools, McpSessions, McpSettings},
    policy::{ToolPolicy, UnknownTool},
    public::{DemoContent, MetadataMirror, PublicApi, PublicSettings},
    token::JwksCache,
};

/// A complete MCP server that is not listening yet.
///
/// Create one with [`App::builder`], then call [`run`](Self::run) with a listener.
pub struct App {
    /// The HTTP endpoint: all routes and their middleware. Nest it in a poem app of your own instead of
    /// calling `run`.
    pub endpoint: BoxEndpoint<'static>,
    /// The state behind `/readyz`. If you serve [`endpoint`](Self::endpoint) yourself, call [`Health::drain`]
    /// when shutdown begins, so that load balancers stop sending requests. [`run`](Self::run) does this
    /// itself.
    pub health: Arc<Health>,
    /// Checks the secret key with Clerk. If you serve [`endpoint`](Self::endpoint) yourself, spawn
    /// [`SecretKeyProbe::keep_watch`]. [`run`](Self::run) does this itself.
    pub probe: SecretKeyProbe,
    keys: Option<JwksCache>,
    limits: ServerLimits,
    warnings: Vec<String>,
    /// Ends open event streams at shutdown; they have no time limit.
    stop: CancellationToken,
}

impl App {
    /// Returns a builder for a server with this `config`. It serves the example tools unless
    /// [`AppBuilder::server`] replaces them.
    pub fn builder(config: &Config) -> AppBuilder<'_, ExampleTools> {
        let server = ExampleTools::new("Clerk MCP server");
        let direct_tools = server.names().map(str::to_owned).collect();
        AppBuilder {
            server,
            options: Options {
                config,
                clock: Arc::new(SystemClock),
                policy: ToolPolicy::new(),
                sessions: None,
                direct_tools,
                call_timeout: None,
                protected: Vec::new(),
                playground: true,
                demo: None,
            },
        }
    }

    /// Serves on `listener` until `stop` completes, then stops accepting requests and finishes those in
    /// flight. Also refreshes Clerk's keys and probes the secret key in the background.
    ///
    /// # Errors
    /// Returns an error if the local address of `listener` cannot be read.
    pub async fn run(self, listener: TcpListener, stop: impl Future<Output = ()>) -> io::Result<()> {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
        let refresh = async {
            match self.keys {
                Some(keys) => keys.keep_fresh().await,
                None => std::future::pending().await,
            }
        };
        let health = Arc::clone(&self.health);
        let stop = async {
            stop.await;
            health.drain();
            self.stop.cancel();
            tracing::info!("shutting down: finishing requests in flight");
        };
        // The background tasks never complete; they are dropped when `serve` returns.
        tokio::select! {
            outcome = serve(listener, self.endpoint, self.limits, stop) => outcome,
            ((), ()) = async { tokio::join!(refresh, self.probe.keep_watch()) } => Ok(()),
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}

/// Configures an [`App`]: its tools, policy, sessions and additional routes.
///
/// ```
/// use std::time::Duration;
///
/// use clerk_mcp::{app::AppBuilder, policy::{Requirement, ToolPolicy}};
///
/// /// Applies the settings that all our servers share.
/// fn with_defaults<H>(server: AppBuilder<'_, H>) -> AppBuilder<'_, H> {
///     server
///         .policy(ToolPolicy::new().require("delete", Requirement::new().role("org:admin")))
///         .call_timeout(Duration::from_secs(10))
/// }
/// ```
#[derive(Debug)]
pub struct AppBuilder<'a, H> {
    server: H,
    options: Options<'a>,
}

/// Every setting except the MCP server itself, whose type is a parameter of the builder.
#[derive(Debug)]
struct Options<'a> {
    config: &'a Config,
    clock: Arc<dyn Clock>,
    policy: ToolPolicy,
    sessions: Option<McpSessions>,
    direct_tools: BTreeSet<String>,
    call_timeout: Option<Duration>,
    protected: Vec<Protected>,
    playground: bool,
    demo: Option<DemoContent>,
}

impl<'a, H> AppBuilder<'a, H> {
    /// Serves the tools, resources and prompts of `server`. The app clones `server` for each request, or for
    /// each session if [sessions](Self::sessions) are enabled.
    pub fn server<S: ServerHandler + Clone>(mut self, server: S) -> AppBuilder<'a, S> {
        self.options.direct_tools.clear();
        AppBuilder {
            server,
            options: self.options,
        }
    }

    /// Requires scopes, roles or permissions per tool, or lets callers without a token call tools. Calls that
    /// do not meet `policy` are rejected before the tool runs.
    ///
    /// Every tool that the policy names must exist: a name that [`ServerHandler::get_tool`] does not know is
    /// treated as a typo, and [`build`](AppBuilder::build) fails.
    #[must_use]
    pub fn policy(mut self, policy: ToolPolicy) -> Self {
        self.options.policy = policy;
        self
    }

    /// Enables MCP sessions for clients of MCP 2025-11-25 and earlier, so that tools can send them requests
    /// (elicitation, sampling, roots). Disabled by default.
    #[must_use]
    pub fn sessions(mut self, sessions: McpSessions) -> Self {
        self.options.sessions = Some(sessions);
        self
    }

    /// Calls these tools directly, which makes a call about 1.5 times as fast, but they cannot send their
    /// client anything except the result (see [`McpSettings::direct_tools`]). Default: the example tools, or
    /// no tool of another [`server`](Self::server). An empty list turns direct calls off.
    #[must_use]
    pub fn direct_tools<S: Into<String>>(mut self, tools: impl IntoIterator<Item = S>) -> Self {
        self.options.direct_tools = tools.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the time limit of a tool call (see [`McpSettings::call_timeout`]). Default: 90 % of
    /// `REQUEST_TIMEOUT`.
    ///
    /// A limit above `REQUEST_TIMEOUT` only has an effect on responses that are event streams: with
    /// [sessions](Self::sessions), or once the tool has reported progress.
    #[must_use]
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.options.call_timeout = Some(limit);
        self
    }

    /// Serves `endpoint` at `path` and below it, behind the same authentication as `/mcp`. Its handlers get
    /// the [`Session`](crate::session::Session) with [`Data`](poem::web::Data). The `Authorization` header is
    /// removed.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use clerk_mcp::{app::{App, AppError}, config::Config, session::Session};
    /// use poem::{handler, web::Data};
    ///
    /// #[handler]
    /// fn me(Data(session): Data<&Arc<Session>>) -> String {
    ///     session.subject.clone()
    /// }
    ///
    /// fn app(config: &Config) -> Result<App, AppError> {
    ///     App::builder(config).protect("/me", me).build()
    /// }
    /// ```
    #[must_use]
    pub fn protect<E>(mut self, path: impl Into<String>, endpoint: E) -> Self
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        self.options.protected.push(Protected {
            path: path.into(),
            endpoint: endpoint.map_to_response().boxed(),
        });
        self
    }

    /// Replaces the system clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.options.clock = clock;
        self
    }

    /// Sets whether the start page lets visitors sign in and call tools, and whether `/docs` and the OpenAPI
    /// document describe the tools that the server lists without a caller. On by default. Calls from the start
    /// page need a token under the same rules as any other call.
    #[must_use]
    pub fn playground(mut self, enabled: bool) -> Self {
        self.options.playground = enabled;
        self
    }

    /// Shows sample users and their tokens on the start page. **Only for a local Clerk.**
    #[cfg(feature = "demo")]
    #[must_use]
    fn show_sample_users(mut self, content: DemoContent) -> Self {
        self.options.demo = Some(content);
        self
    }
}

/// Why an [`App`] could not be built. `Debug` prints the same text as `Display`, because a `main` that
/// returns an error prints it with `Debug`.
#[derive(Error)]
pub enum AppError {
    /// The HTTP client for Clerk could not be created.
    #[error("cannot set up TLS for connections to Clerk")]
    Tls(#[source] reqwest::Error),
    /// The URL of the key set cannot be derived from the Frontend API URL.
    #[error("invalid Frontend API URL {0}: cannot append a path to it")]
    FrontendApi(String),
    /// The policy names a tool that does not exist.
    #[error(transparent)]
    UnknownTool(#[from] UnknownTool),
    /// A path given to [`AppBuilder::protect`] is invalid or already in use.
    #[error("cannot add a route at {path:?}: {reason}")]
    Path {
        /// The path.
        path: String,
        /// Why the path cannot be used.
        reason: String,
    },
}

impl fmt::Debug for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<H: ServerHandler + Clone> AppBuilder<'_, H> {
    /// Builds the server. Makes no network request.
    ///
    /// # Errors
    /// Returns an [`AppError`] if the policy names an unknown tool, a protected path is invalid, or a client
    /// for Clerk cannot be created.
    pub fn build(self) -> Result<App, AppError> {
        let Self { server, options } = self;
        let Options {
            config,
            clock,
            policy,
            sessions,
            direct_tools,
            call_timeout,
            protected,
            playground,
            demo,
        } = options;
        let Authentication {
            authenticator,
            challenge,
            resources,
            client,
            frontend,
            keys,
            probe,
            secret_key,
        } = Authentication::new(config, &clock)?;
        let key_cache = keys.clone();
        let health = Arc::new(Health::new(
            move || key_cache.as_ref().is_none_or(JwksCache::holds_keys),
            secret_key,
        ));

        let allows_anonymous = policy.has_public_discovery();
        let info = server.get_info();
        let public = PublicSettings {
            name: info.server_info.title.unwrap_or(info.server_info.name),
            instructions: info.instructions,
            resources,
            issuer: config.clerk.issuer().to_owned(),
            scopes: challenge.scopes.clone(),
            scopes_supported: policy.with_tool_scopes(challenge.scopes.clone()),
            docs_url: config.docs_url.as_ref().map(ToString::to_string),
            playground,
            sessions: sessions.is_some(),
            allows_anonymous,
            demo,
        };
        let mut settings = McpSettings::new(challenge);
        settings.max_body_bytes = config.limits.max_body_bytes;
        settings.policy = policy;
        settings.audit = config.audit;
        settings.sessions = sessions;
        settings.direct_tools = direct_tools;
        settings.clock = Arc::clone(&clock);
        // The call must time out before the HTTP request does: the client then gets a tool error instead of a
        // 503.
        settings.call_timeout = call_timeout.unwrap_or_else(|| config.limits.request_timeout * 9 / 10);
        let stop = settings.stop.clone();
        let published = playground.then(|| mcp::published_tools(server.clone()));
        let tools = async {
            match published {
                Some(tools) => tools.await,
                None => Vec::new(),
            }
        };
        let mcp = mcp::endpoint(server, client, settings)?;
        let (frontend_api, issuer) = (config.clerk.frontend_url(""), config.clerk.issuer());
        let mirror = MetadataMirror::new(frontend, &frontend_api, issuer, clock);
        let public = PublicApi::new(public, mirror, Arc::clone(&health));
        Ok(App {
            endpoint: routes(
                config,
                mcp,
                protected,
                authenticator,
                allows_anonymous,
                public,
                tools,
            )?,
            health,
            probe,
            keys,
            limits: server_limits(config),
            warnings: config.warnings(),
            stop,
        })
    }
}

fn server_limits(config: &Config) -> ServerLimits {
    let mut limits = ServerLimits::new(config.limits.max_connections, config.limits.shutdown_grace);
    limits.idle_timeout = config.limits.idle_timeout;
    // A load balancer on another host needs time to see the 503 of `/readyz`. On loopback there is none, so
    // the shutdown need not wait.
    if !config.listen.ip().is_loopback() {
        limits.drain = MAX_DRAIN.min(limits.shutdown_grace / 4);
    }
    limits
}

/// Long enough for a load balancer that probes every two seconds and needs two failed probes.
const MAX_DRAIN: Duration = Duration::from_secs(5);
