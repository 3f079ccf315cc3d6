//! The one wiring: every route and layer of the server. The binary, the demo and the tests all come through here.

use std::{fmt, sync::Arc};

use poem::{
    EndpointExt, IntoEndpoint, Route,
    endpoint::BoxEndpoint,
    http::header,
    middleware::{CatchPanic, RequestId, SetHeader},
};
use thiserror::Error;

use crate::{
    access::AccessLog,
    auth::{Authenticator, ChallengeContext, RequireAuth},
    clerk::ClerkClient,
    clock::Clock,
    config::Config,
    cors::Cors,
    edge::{self, HostGuard},
    mcp::{self, ExampleTools, McpSettings},
    outbound,
    public::{AuthorizationServerMetadata, DemoContent, Health, PublicApi, PublicSettings},
    secret_key::{SecretKeyProbe, SecretKeyState},
    token::{HttpJwks, JwksCache, ResourceNames, TokenPolicy, TokenVerifier},
};

/// A server that is put together and not yet listening.
pub struct App {
    /// The endpoint with all of its layers.
    pub endpoint: BoxEndpoint<'static>,
    /// What readiness is told from; to be drained at shutdown.
    pub health: Arc<Health>,
    /// Asks Clerk about the secret key; [`background`](Self::background) does so now and then.
    pub probe: SecretKeyProbe,
    keys: Option<JwksCache>,
}

impl App {
    /// Keeps what the server holds of Clerk fresh, until the future is dropped. To run beside the server.
    pub fn background(&self) -> impl Future<Output = ()> + Send + 'static {
        let (keys, probe) = (self.keys.clone(), self.probe.clone());
        async move {
            let refresh = async {
                match keys {
                    Some(keys) => keys.keep_fresh().await,
                    None => std::future::pending().await,
                }
            };
            tokio::join!(refresh, probe.keep_watch());
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
    let frontend =
        outbound::client(&config.clerk.frontend_api, &config.clerk.roots).map_err(AppError::Tls)?;
    let backend = outbound::client(&config.clerk.backend_api, &config.clerk.roots).map_err(AppError::Tls)?;
    let resources = ResourceNames::new(&config.base_url);
    let issuer = config.clerk.issuer().to_owned();
    let client = ClerkClient::new(
        backend,
        config.clerk.backend_api.clone(),
        config.clerk.secret_key.clone(),
        Arc::clone(&clock),
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
    let opaque = Some(client.clone());
    let (authenticator, keys) = if let Some(key) = config.clerk.jwt_key.clone() {
        let verifier = TokenVerifier::new(key, policy, Arc::clone(&clock));
        (
            Authenticator::new(verifier, opaque, challenge, Arc::clone(&clock)),
            None,
        )
    } else {
        let jwks = format!("{issuer}/.well-known/jwks.json");
        let jwks = jwks.parse().map_err(|_| AppError::FrontendApi(issuer.clone()))?;
        let keys = JwksCache::new(HttpJwks::new(frontend.clone(), jwks), Arc::clone(&clock));
        let verifier = TokenVerifier::new(keys.clone(), policy, Arc::clone(&clock));
        (
            Authenticator::new(verifier, opaque, challenge, Arc::clone(&clock)),
            Some(keys),
        )
    };
    let secret_key = Arc::new(SecretKeyState::default());
    let authenticator = authenticator
        .require_scopes(config.required_scopes.clone())
        .watch(Arc::clone(&secret_key));
    let probe = SecretKeyProbe::new(client.clone(), keys.clone(), Arc::clone(&secret_key));
    let held = keys.clone();
    let health = Arc::new(Health::new(
        move || held.as_ref().is_none_or(JwksCache::holds_keys),
        secret_key,
    ));

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
        .with(Cors::restricted(config.allowed_origins.clone())),
    );

    let public = PublicApi::new(
        PublicSettings {
            resources,
            issuer: issuer.clone(),
            scopes: config.scopes.clone(),
            docs_url: config.docs_url.as_ref().map(ToString::to_string),
            demo,
        },
        AuthorizationServerMetadata::new(frontend, &issuer, clock),
        Arc::clone(&health),
    );
    let prefix = config.base_url.path().trim_end_matches('/').to_owned();
    let public = Arc::new(
        edge::allow_methods(public.into_routes(&prefix).into_endpoint(), "GET, HEAD, OPTIONS")
            .with(Cors::open()),
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
        .with(SetHeader::new().overriding(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .with(RequestId::default())
        .boxed();
    Ok(App {
        endpoint,
        health,
        probe,
        keys,
    })
}
