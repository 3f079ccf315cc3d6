//! From a configuration to what authenticates: clients of Clerk's two APIs, the key set, the authenticator.

use std::sync::Arc;

use reqwest::Client;

use super::AppError;
use crate::{
    auth::{Authenticator, ChallengeContext},
    clerk::{ClerkClient, SecretKeyProbe, SecretKeyState},
    clock::{Clock, SystemClock},
    config::Config,
    outbound,
    token::{HttpJwks, JwksCache, ResourceNames, TokenPolicy, TokenVerifier},
};

/// The authenticator of `config`, for a server of another shape than [`App`](super::App), and the probe that tells it whether
/// the secret key is good. Nothing is fetched before the first token comes or the probe is run.
///
/// ```
/// use clerk_mcp::{app::{self, AppError}, auth::RequireAuth, config::Config};
/// use poem::{Endpoint, EndpointExt, Route, endpoint::make_sync};
///
/// fn mine(config: &Config) -> Result<impl Endpoint, AppError> {
///     let (authenticator, probe) = app::authenticator(config)?;
///     tokio::spawn(probe.keep_watch());
///     let protected = make_sync(|_| "hello").with(RequireAuth::new(authenticator));
///     Ok(Route::new().at("/hello", protected))
/// }
/// ```
///
/// # Errors
/// [`AppError`], when the configuration can't be carried out.
pub fn authenticator(config: &Config) -> Result<(Authenticator, SecretKeyProbe), AppError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (authentication, probe, _) = Authentication::new(config, &clock)?.watch_secret_key();
    Ok((authentication.authenticator, probe))
}

/// What authenticates requests, and what other parts share of it.
pub(super) struct Authentication {
    pub(super) authenticator: Authenticator,
    pub(super) challenge: ChallengeContext,
    pub(super) resources: ResourceNames,
    /// Of the Backend API.
    pub(super) client: ClerkClient,
    /// Of the Frontend API.
    pub(super) frontend: Client,
    /// None with `CLERK_JWT_KEY`.
    pub(super) keys: Option<JwksCache>,
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
        let (opaque, shown) = (Some(client.clone()), challenge.clone());
        let (authenticator, keys) = if let Some(key) = config.clerk.jwt_key.clone() {
            let verifier = TokenVerifier::new(key, policy, Arc::clone(clock));
            (
                Authenticator::new(verifier, opaque, shown, Arc::clone(clock)),
                None,
            )
        } else {
            let issuer = config.clerk.issuer();
            let jwks = format!("{issuer}/.well-known/jwks.json");
            let jwks = jwks
                .parse()
                .map_err(|_| AppError::FrontendApi(issuer.to_owned()))?;
            let keys = JwksCache::new(HttpJwks::new(frontend.clone(), jwks), Arc::clone(clock));
            let verifier = TokenVerifier::new(keys.clone(), policy, Arc::clone(clock));
            (
                Authenticator::new(verifier, opaque, shown, Arc::clone(clock)),
                Some(keys),
            )
        };
        Ok(Self {
            authenticator,
            challenge,
            resources,
            client,
            frontend,
            keys,
        })
    }

    /// Lets the secret key be watched: while it's not good, every token is refused.
    pub(super) fn watch_secret_key(mut self) -> (Self, SecretKeyProbe, Arc<SecretKeyState>) {
        let state = Arc::new(SecretKeyState::default());
        let probe = SecretKeyProbe::new(self.client.clone(), self.keys.clone(), Arc::clone(&state));
        self.authenticator = self.authenticator.watch_secret_key(Arc::clone(&state));
        (self, probe, state)
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
