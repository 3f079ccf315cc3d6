//! The one wiring: every route and layer of the server. The binary, the demo and the tests all come through here.

use std::{fmt, sync::Arc};

use poem::{
    EndpointExt, IntoEndpoint, Route,
    endpoint::BoxEndpoint,
    middleware::{CatchPanic, Cors, RequestId},
};
use thiserror::Error;

use crate::{
    access::AccessLog,
    auth::{Authenticator, ChallengeContext, RequireAuth},
    clerk::ClerkClient,
    clock::Clock,
    config::Config,
    edge::{self, HostGuard},
    mcp::{self, ExampleTools, McpSettings},
    outbound,
    public::{AuthorizationServerMetadata, DemoContent, Health, PublicApi, PublicSettings},
    token::{HttpJwks, JwksCache, ResourceNames, TokenPolicy, TokenVerifier},
};

/// A server that is put together and not yet listening.
pub struct App {
    /// The endpoint with all of its layers.
    pub endpoint: BoxEndpoint<'static>,
    /// What readiness is told from; to be drained at shutdown.
    pub health: Arc<Health>,
    keys: Option<JwksCache>,
}

impl App {
    /// Keeps what the server holds of Clerk fresh, until the future is dropped. To run beside the server.
    pub fn background(&self) -> impl Future<Output = ()> + Send + 'static {
        let keys = self.keys.clone();
        async move {
            match keys {
                Some(keys) => keys.keep_fresh().await,
                None => std::future::pending().await,
            }
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

/// The server could not be put together.
#[derive(Debug, Error)]
pub enum AppError {
    /// No TLS towards Clerk.
    #[error("TLS towards Clerk could not be set up")]
    Tls(#[source] reqwest::Error),
    /// The Frontend API URL can't be extended to that of the key set.
    #[error("the Frontend API URL {0} is not one that paths can be added to")]
    FrontendApi(String),
}

/// Puts the server of `config` together. Nothing is fetched yet.
///
/// # Errors
/// [`AppError`], when the configuration can't be carried out.
pub fn app(config: &Config, clock: Arc<dyn Clock>, demo: Option<DemoContent>) -> Result<App, AppError> {
    let http = outbound::client(&config.clerk.roots).map_err(AppError::Tls)?;
    let resources = ResourceNames::new(&config.base_url);
    let issuer = config.clerk.issuer().to_owned();
    let client = ClerkClient::new(
        http.clone(),
        config.clerk.backend_api.clone(),
        config.clerk.secret_key.clone(),
    );

    let policy = TokenPolicy {
        issuer: issuer.clone(),
        accepted: config.tokens.accepted.clone(),
        audience: config.tokens.audience,
        resources: resources.clone(),
        authorized_parties: config.tokens.authorized_parties.clone(),
        leeway: config.tokens.leeway,
    };
    let challenge = ChallengeContext::new(&resources, config.scopes.clone());
    let required_scopes = config.required_scopes.clone();
    let (authenticator, keys) = if let Some(key) = config.clerk.jwt_key.clone() {
        (
            Authenticator::new(
                TokenVerifier::new(key, policy, Arc::clone(&clock)),
                required_scopes,
                challenge,
            ),
            None,
        )
    } else {
        let jwks = format!("{issuer}/.well-known/jwks.json");
        let jwks = jwks.parse().map_err(|_| AppError::FrontendApi(issuer.clone()))?;
        let keys = JwksCache::new(HttpJwks::new(http.clone(), jwks), Arc::clone(&clock));
        let verifier = TokenVerifier::new(keys.clone(), policy, Arc::clone(&clock));
        (
            Authenticator::new(verifier, required_scopes, challenge),
            Some(keys),
        )
    };
    let held = keys.clone();
    let health = Arc::new(Health::new(move || {
        held.as_ref().is_none_or(JwksCache::holds_keys)
    }));

    let mcp = mcp::endpoint(
        ExampleTools::new("Clerk MCP server"),
        client,
        &McpSettings {
            max_body_bytes: config.limits.max_body_bytes,
        },
    );
    // Cross-origin rules are the outermost: they refuse origins that aren't allowed (MCP, "Streamable HTTP", security
    // warning), a preflight carries no token, and a refusal must be readable to the page that caused it.
    let protected = Arc::new(
        // Whatever lies under /mcp is behind authentication, also what doesn't exist.
        edge::allow_methods(
            Route::new().at("/", mcp).with(RequireAuth::new(authenticator)),
            "POST",
        )
        .with(mcp_cors(config)),
    );

    let public = PublicApi::new(
        PublicSettings {
            resources,
            issuer: issuer.clone(),
            scopes: config.scopes.clone(),
            docs_url: config.docs_url.as_ref().map(ToString::to_string),
            demo,
        },
        Arc::new(AuthorizationServerMetadata::new(http, &issuer, clock)),
        Arc::clone(&health),
    );
    let prefix = config.base_url.path().trim_end_matches('/').to_owned();
    let public = Arc::new(
        edge::allow_methods(public.into_routes(&prefix).into_endpoint(), "GET, HEAD, OPTIONS")
            .with(public_cors()),
    );

    // A proxy in front may pass the path of BASE_URL on, or take it off: both ways lead here.
    let mut routes = Route::new().nest("/mcp", Arc::clone(&protected));
    if !prefix.is_empty() {
        routes = routes
            .nest(format!("{prefix}/mcp"), protected)
            .nest(&prefix, Arc::clone(&public));
    }
    let routes = routes
        .nest_no_strip("/", public)
        .with(HostGuard::new(&config.base_url, config.listen.ip()))
        .with(edge::Timeout::new(config.limits.request_timeout))
        .with(CatchPanic::new().with_handler(|_| edge::internal_error()));
    let endpoint = edge::json_errors(routes)
        .with(AccessLog::new(config.trust_forwarded))
        .with(RequestId::default())
        .boxed();
    Ok(App {
        endpoint,
        health,
        keys,
    })
}

/// The discovery documents, health and pages are for everyone.
fn public_cors() -> Cors {
    Cors::new()
        .allow_methods(["GET", "HEAD"])
        .max_age(PREFLIGHT_AGE_SECONDS)
}

/// The MCP endpoint is for allowed origins. Cookies play no part, so credentials need not be allowed.
fn mcp_cors(config: &Config) -> Cors {
    let origins = config.allowed_origins.clone();
    Cors::new()
        .allow_origins_fn(move |origin| origins.allows(origin))
        .allow_methods(["GET", "POST", "DELETE"])
        .allow_headers([
            "authorization",
            "content-type",
            "last-event-id",
            "mcp-method",
            "mcp-name",
            "mcp-protocol-version",
            "mcp-session-id",
            "traceparent",
        ])
        .expose_headers([
            "www-authenticate",
            "mcp-session-id",
            "mcp-protocol-version",
            "retry-after",
        ])
        .max_age(PREFLIGHT_AGE_SECONDS)
}

/// Two hours, the most that Chromium remembers.
const PREFLIGHT_AGE_SECONDS: i32 = 2 * 60 * 60;
