//! The one wiring: what the server is made of. The binary, the demo and the tests all come through here.

mod authentication;
mod routes;

use std::{fmt, io, sync::Arc, time::Duration};

use poem::{EndpointExt, IntoEndpoint, endpoint::BoxEndpoint};
use rmcp::{ServerHandler, model::ServerConfig};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::authentication::authenticator;
use self::{
    authentication::Authentication,
    routes::{Protected, routes},
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
    public::{AuthorizationServerMetadata, DemoContent, PublicApi, PublicSettings},
    token::{JwksCache, ResourceNames},
};

/// A server that is put together and not yet listening.
pub struct App {
    /// The endpoint with all of its layers.
    pub endpoint: BoxEndpoint<'static>,
    /// What readiness is told from; to be drained at shutdown.
    pub health: Arc<Health>,
    /// Asks Clerk about the secret key; [`run`](Self::run) does so now and then.
    pub probe: SecretKeyProbe,
    keys: Option<JwksCache>,
    limits: ServerLimits,
    warnings: Vec<String>,
    /// Ends event streams that nothing else ends.
    stop: CancellationToken,
}

impl App {
    /// A server of `config`, with the example tools unless it's given others.
    pub fn builder(config: &Config) -> AppBuilder<'_, ExampleTools> {
        AppBuilder {
            server: ExampleTools::new("Clerk MCP server"),
            options: Options {
                config,
                clock: Arc::new(SystemClock),
                policy: ToolPolicy::new(),
                sessions: None,
                call_timeout: None,
                protected: Vec::new(),
                demo: None,
            },
        }
    }

    /// Serves on `listener` until `stop` ends, then takes no more requests and finishes those in flight. Meanwhile what is
    /// held of Clerk is kept fresh.
    ///
    /// # Errors
    /// When the listener has no address.
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
            tracing::info!("stopping: requests in flight are finished first");
        };
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

/// What a server is made of.
///
/// ```
/// use std::time::Duration;
///
/// use clerk_mcp::{app::AppBuilder, policy::{Requirement, ToolPolicy}};
///
/// /// What all of our servers have in common.
/// fn ours<H>(server: AppBuilder<'_, H>) -> AppBuilder<'_, H> {
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

/// Everything but the server.
#[derive(Debug)]
struct Options<'a> {
    config: &'a Config,
    clock: Arc<dyn Clock>,
    policy: ToolPolicy,
    sessions: Option<McpSessions>,
    call_timeout: Option<Duration>,
    protected: Vec<Protected>,
    demo: Option<DemoContent>,
}

impl<'a, H> AppBuilder<'a, H> {
    /// Serves the tools, resources and prompts of `server`; it's cloned for each request, or with
    /// [sessions](Self::sessions) for each of those.
    pub fn server<S: ServerHandler + Clone>(self, server: S) -> AppBuilder<'a, S> {
        AppBuilder {
            server,
            options: self.options,
        }
    }

    /// Asks of callers what `policy` says. The tools that it names must be there when the server is built: what
    /// [`ServerHandler::get_tool`] doesn't know is taken for a slip of the pen.
    #[must_use]
    pub fn policy(mut self, policy: ToolPolicy) -> Self {
        self.options.policy = policy;
        self
    }

    /// Keeps sessions for clients of 2025-11-25 and before, so that tools can ask them. Without this there are none.
    #[must_use]
    pub fn sessions(mut self, sessions: McpSessions) -> Self {
        self.options.sessions = Some(sessions);
        self
    }

    /// Ends calls after `limit` (see [`McpSettings::call_timeout`]), in place of nine tenths of `REQUEST_TIMEOUT`. Only an
    /// answer that is a stream can take longer than that one: with [sessions](Self::sessions), or after progress.
    #[must_use]
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.options.call_timeout = Some(limit);
        self
    }

    /// Serves `endpoint` at `path` (and under it), behind the same authentication as `/mcp`. Its handlers find the
    /// [`Session`](crate::session::Session) with [`Data`](poem::web::Data), and no `Authorization` header.
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

    /// Takes the time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.options.clock = clock;
        self
    }

    /// Shows sample users and their tokens on the start page. **For a local Clerk only.**
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn demo(mut self, content: DemoContent) -> Self {
        self.options.demo = Some(content);
        self
    }
}

/// The server could not be put together.
#[derive(Debug, Error)]
pub enum AppError {
    /// No TLS towards Clerk.
    #[error("TLS towards Clerk could not be set up")]
    Tls(#[source] reqwest::Error),
    /// The Frontend API URL can't be extended to that of the key set.
    #[error("the Frontend API URL {0} is not one that paths can be added to")]
    FrontendApi(String),
    /// A requirement would protect nothing.
    #[error(transparent)]
    UnknownTool(#[from] UnknownTool),
    /// A path of [`AppBuilder::protect`] is no path, or something is there already.
    #[error("nothing can be served at {path:?}: {reason}")]
    Path {
        /// The path.
        path: String,
        /// What poem says of it.
        reason: String,
    },
}

impl<H: ServerHandler + Clone> AppBuilder<'_, H> {
    /// Puts the server together. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`AppError`], when the configuration can't be carried out.
    pub fn build(self) -> Result<App, AppError> {
        let Self { server, options } = self;
        let Options {
            config,
            clock,
            policy,
            sessions,
            call_timeout,
            protected,
            demo,
        } = options;
        let (authentication, probe, secret_key) = Authentication::new(config, &clock)?.watch_secret_key();
        let Authentication {
            authenticator,
            challenge,
            resources,
            client,
            frontend,
            keys,
        } = authentication;
        let key_cache = keys.clone();
        let health = Arc::new(Health::new(
            move || key_cache.as_ref().is_none_or(JwksCache::holds_keys),
            secret_key,
        ));

        let mut public = public_settings(config, server.get_info(), resources, demo);
        public.scopes.clone_from(&challenge.scopes);
        public.all_scopes = policy.all_scopes(challenge.scopes.clone());
        let mut settings = McpSettings::new(challenge);
        settings.max_body_bytes = config.limits.max_body_bytes;
        settings.policy = policy;
        settings.audit = config.audit;
        settings.sessions = sessions;
        settings.clock = Arc::clone(&clock);
        // A call that ends before its HTTP request does is answered as a call, not as a broken server.
        settings.call_timeout = call_timeout.unwrap_or_else(|| config.limits.request_timeout * 9 / 10);
        let stop = settings.stop.clone();
        let mcp = mcp::endpoint(server, client, settings)?;
        let mirror = AuthorizationServerMetadata::new(frontend, config.clerk.issuer(), clock);
        let public = PublicApi::new(public, mirror, Arc::clone(&health));
        Ok(App {
            endpoint: routes(config, mcp, protected, authenticator, public)?,
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
    // A load balancer elsewhere learns from `/readyz` that we're about to go, and needs an answer for that. Nobody else
    // should have to wait.
    if !config.listen.ip().is_loopback() {
        limits.drain = MAX_DRAIN.min(limits.shutdown_grace / 4);
    }
    limits
}

fn public_settings(
    config: &Config,
    server: ServerConfig,
    resources: ResourceNames,
    demo: Option<DemoContent>,
) -> PublicSettings {
    PublicSettings {
        name: server.server_info.title.unwrap_or(server.server_info.name),
        instructions: server.instructions,
        resources,
        issuer: config.clerk.issuer().to_owned(),
        scopes: config.scopes.clone(),
        all_scopes: config.scopes.clone(),
        docs_url: config.docs_url.as_ref().map(ToString::to_string),
        demo,
    }
}

/// A probe every two seconds, which has to fail twice, has then failed.
const MAX_DRAIN: Duration = Duration::from_secs(5);
