//! Builds the authenticator and its dependencies from a configuration: the clients of Clerk's Frontend and
//! Backend APIs, the cached key set, and the probe of the secret key.

use std::sync::Arc;

use reqwest::Client;

use super::AppError;
use crate::{
    auth::{Authenticator, ChallengeContext},
    clerk::{ClerkClient, SecretKeyProbe, SecretKeyState},
    clock::{Clock, SystemClock},
    config::Config,
    outbound, paths,
    token::{HttpJwks, JwksCache, ResourceNames, TokenPolicy, TokenVerifier},
};

/// Creates an [`Authenticator`] from `config`, and the [`SecretKeyProbe`] that tells it whether the secret
/// key is valid.
///
/// Use this to protect endpoints of a server that is not an [`App`](super::App). Makes no network request:
/// keys are fetched when the first token arrives, and the secret key is checked while the probe runs.
///
/// ```
/// use clerk_mcp::{app::{self, AppError}, auth::RequireAuth, config::Config};
/// use poem::{Endpoint, EndpointExt, Route, endpoint::make_sync};
///
/// fn protected_route(config: &Config) -> Result<impl Endpoint, AppError> {
///     let (authenticator, probe) = app::authenticator(config)?;
///     tokio::spawn(probe.keep_watch());
///     let protected = make_sync(|_| "hello").with(RequireAuth::new(authenticator));
///     Ok(Route::new().at("/hello", protected))
/// }
/// ```
///
/// # Errors
/// Returns an [`AppError`] if a client of Clerk's APIs cannot be created from `config`.
pub fn authenticator(config: &Config) -> Result<(Authenticator, SecretKeyProbe), AppError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let authentication = Authentication::new(config, &clock)?;
    Ok((authentication.authenticator, authentication.probe))
}

/// The authenticator, and the parts of it that the rest of the app also uses.
pub(super) struct Authentication {
    /// Rejects every token while [`SecretKeyState::misconfiguration`] of `secret_key` is not `None`.
    pub(super) authenticator: Authenticator,
    pub(super) challenge: ChallengeContext,
    pub(super) resources: ResourceNames,
    /// The client of the Backend API.
    pub(super) client: ClerkClient,
    /// The HTTP client for the Frontend API.
    pub(super) frontend: Client,
    /// The cached key set; `None` if `CLERK_JWT_KEY` is set, because no keys are fetched then.
    pub(super) keys: Option<JwksCache>,
    /// Checks the secret key, and writes the results to `secret_key`.
    pub(super) probe: SecretKeyProbe,
    pub(super) secret_key: Arc<SecretKeyState>,
}

impl Authentication {
    pub(super) fn new(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self, AppError> {
        let resources = ResourceNames::new(&config.base_url);
        let challenge = ChallengeContext::new(&resources, config.scopes.clone())
            .require_scopes(config.required_scopes.clone());
        let frontend =
            outbound::client(&config.clerk.frontend_api, &config.clerk.roots).map_err(AppError::Tls)?;
        let backend =
            outbound::client(&config.clerk.backend_api, &config.clerk.roots).map_err(AppError::Tls)?;
        let client = ClerkClient::new(
            backend,
            config.clerk.backend_api.clone(),
            config.clerk.secret_key.clone(),
            Arc::clone(clock),
        );
        let policy = token_policy(config, &resources);
        let (verifier, keys) = if let Some(key) = config.clerk.jwt_key.clone() {
            (TokenVerifier::new(key, policy, Arc::clone(clock)), None)
        } else {
            let jwks = config.clerk.frontend_url(paths::JWKS);
            let jwks = jwks.parse().map_err(|_| AppError::FrontendApi(jwks))?;
            let keys = JwksCache::new(HttpJwks::new(frontend.clone(), jwks), Arc::clone(clock));
            let verifier = TokenVerifier::new(keys.clone(), policy, Arc::clone(clock));
            (verifier, Some(keys))
        };
        let secret_key = Arc::new(SecretKeyState::default());
        let probe = SecretKeyProbe::new(client.clone(), keys.clone(), Arc::clone(&secret_key));
        let authenticator = Authenticator::new(verifier, Some(client.clone()), challenge.clone());
        Ok(Self {
            authenticator: authenticator.watch_secret_key(Arc::clone(&secret_key)),
            challenge,
            resources,
            client,
            frontend,
            keys,
            probe,
            secret_key,
        })
    }
}

fn token_policy(config: &Config, resources: &ResourceNames) -> TokenPolicy {
    TokenPolicy {
        issuer: config.clerk.issuer().to_owned(),
        accepted: config.tokens.accepted.clone(),
        audience: config.tokens.audience,
        session_audience: config.tokens.session_audience,
        resources: resources.clone(),
        accepted_audiences: config.tokens.accepted_audiences.clone(),
        authorized_parties: config.tokens.authorized_parties.clone(),
        leeway: config.tokens.leeway,
    }
}
