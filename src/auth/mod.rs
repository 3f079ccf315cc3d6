//! Authentication at the HTTP edge: a poem middleware, the refusals, the challenge.
//!
//! What is protected is decided by what this middleware is wrapped around, never by comparing paths.

mod challenge;
mod error;
mod explanation;
mod lookup_budget;
mod opaque_tokens;
mod verified_tokens;

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    http::{HeaderMap, header},
};

pub use challenge::ChallengeContext;
pub(crate) use error::ErrorBody;
pub use error::{AuthError, ChallengeError, Outage, Refusal};
pub use explanation::{CheckOutcome, CheckResult, Explanation};

use self::verified_tokens::{SessionSource, VerifiedTokenCache};
use crate::{
    clerk::{ClerkClient, SecretKeyState},
    clock::Clock,
    session::{Denied, Session},
    token::{BearerError, BearerToken, Check, KeySource, Pass, TokenVerifier},
};

/// Authenticates requests: headers in, [`Session`] or [`AuthError`] out.
pub struct Authenticator {
    sessions: Box<dyn SessionSource>,
    secret_key: Arc<SecretKeyState>,
    challenge: ChallengeContext,
}

impl Authenticator {
    /// An authenticator that verifies with `verifier` and challenges with `challenge`, whose required scopes it asks of every
    /// token. With a `client`, it asks Clerk about
    /// opaque tokens of the kinds that `verifier` accepts; without, it refuses them.
    pub fn new<K: KeySource>(
        verifier: TokenVerifier<K>,
        client: Option<ClerkClient>,
        challenge: ChallengeContext,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            sessions: Box::new(VerifiedTokenCache::new(verifier, client, clock)),
            secret_key: Arc::default(),
            challenge,
        }
    }

    /// Refuses every token with 500 while `state` says that the secret key is not good.
    #[must_use]
    pub fn watch_secret_key(mut self, state: Arc<SecretKeyState>) -> Self {
        self.secret_key = state;
        self
    }

    /// Authenticates a request by its headers alone; its body has not been read.
    ///
    /// # Errors
    /// [`AuthError`], which knows its own response.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Session>, AuthError> {
        let token = BearerToken::from_headers(headers)?;
        if let Some(misconfiguration) = self.secret_key.misconfiguration() {
            return Err(misconfiguration.into());
        }
        let session = self.sessions.session(&token).await?;
        session.require_scopes(&self.challenge.required_scopes)?;
        Ok(session)
    }

    /// What would become of `token` and why, with every check, also those behind the first that fails. Of an opaque token Clerk
    /// is asked, of the secret key only what [`watch_secret_key`](Self::watch_secret_key) knows counts; nothing is remembered. **Not for callers**: the reasons would teach a forger.
    pub async fn explain(&self, token: &str) -> Explanation {
        let token: BearerToken = match token.parse() {
            Ok(token) => token,
            Err(error) => {
                let mut explanation = Explanation::default();
                explanation.add(Check::Form, Some(Err::<Pass, BearerError>(error)));
                return explanation;
            }
        };
        let mut explanation = Explanation::default();
        explanation.add(
            Check::SecretKey,
            Some(match self.secret_key.misconfiguration() {
                Some(misconfiguration) => Err(misconfiguration),
                None if self.secret_key.is_known_good() => Ok(Pass::Held),
                None => Ok(Pass::NotAsked("Clerk could not be asked about it")),
            }),
        );
        self.sessions.explain(&token, &mut explanation).await;
        let needed = &self.challenge.required_scopes;
        let outcome = explanation.session.as_ref().map(|session| {
            if needed.is_empty() {
                return Ok(Pass::NotAsked("REQUIRED_SCOPES is not set"));
            }
            session.require_scopes(needed).map(|()| Pass::Held)
        });
        explanation.add(Check::Scopes, outcome);
        if explanation.refusal().is_some() {
            explanation.session = None;
        }
        explanation
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}

/// Wraps an endpoint so that only authenticated requests reach it, each with its [`Session`] (in an [`Arc`]) in the
/// extensions and without its `Authorization` header: what a tool can't see, it can't pass on.
/// A handler behind it finds the session with [`Data`](poem::web::Data); the [crate's page](crate#any-endpoint-not-only-mcp) has a
/// whole server.
///
/// ```
/// # use std::sync::Arc;
/// use clerk_mcp::{auth::{Authenticator, RequireAuth}, session::Session};
/// use poem::{EndpointExt, IntoEndpoint, Route, handler, web::Data};
///
/// #[handler]
/// fn me(Data(session): Data<&Arc<Session>>) -> String {
///     session.subject.clone()
/// }
///
/// fn app(authenticator: Authenticator) -> impl IntoEndpoint {
///     Route::new().at("/me", me).with(RequireAuth::new(authenticator))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RequireAuth(Arc<Authenticator>);

impl RequireAuth {
    /// The middleware of `authenticator`.
    pub fn new(authenticator: Authenticator) -> Self {
        Self(Arc::new(authenticator))
    }
}

impl<E: Endpoint> Middleware<E> for RequireAuth {
    type Output = RequireAuthEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        RequireAuthEndpoint {
            authenticator: Arc::clone(&self.0),
            inner,
        }
    }
}

/// The endpoint that [`RequireAuth`] makes.
#[derive(Debug)]
pub struct RequireAuthEndpoint<E> {
    authenticator: Arc<Authenticator>,
    inner: E,
}

impl<E: Endpoint> Endpoint for RequireAuthEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        // A panic in here must refuse, not pass, and must look like every other refusal.
        let outcome = AssertUnwindSafe(self.authenticator.authenticate(request.headers()))
            .catch_unwind()
            .await
            .unwrap_or(Err(AuthError::Internal));
        metrics::histogram!("clerk_mcp_token_verification_seconds").record(started.elapsed());
        let session = match outcome {
            Ok(session) => session,
            Err(error) => {
                return Ok(refuse(&error, &self.authenticator.challenge));
            }
        };
        request.headers_mut().remove(header::AUTHORIZATION);
        request.extensions_mut().insert(session);
        self.inner.call(request).await.map(IntoResponse::into_response)
    }
}

/// Refuses a request: the whole response, and the one line of the log, which has the reason and the remedy and nothing of
/// the token.
pub(crate) fn refuse(error: &AuthError, challenge: &ChallengeContext) -> Response {
    let reason = error.reason();
    reason.count();
    match error {
        // How every sign-in begins.
        AuthError::Bearer(BearerError::Missing) => tracing::debug!(%reason, "request refused"),
        AuthError::Bearer(_) | AuthError::Token(_) | AuthError::Denied(_) => {
            tracing::info!(%reason, detail = %error, "request refused");
        }
        AuthError::Misconfigured(_) | AuthError::Unavailable(_) | AuthError::Internal => {
            tracing::error!(%reason, detail = %error, "request can't be authenticated");
        }
    }
    let refusal = match error {
        AuthError::Denied(Denied::Scopes { needed }) => {
            let needed = challenge.all_scopes(needed);
            AuthError::Denied(Denied::Scopes { needed }).refusal()
        }
        AuthError::Bearer(_)
        | AuthError::Token(_)
        | AuthError::Denied(Denied::Role { .. } | Denied::Permission { .. })
        | AuthError::Misconfigured(_)
        | AuthError::Unavailable(_)
        | AuthError::Internal => error.refusal(),
    };
    refusal.into_response(challenge)
}
