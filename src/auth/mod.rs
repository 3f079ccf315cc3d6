//! Authentication of HTTP requests: a poem middleware, the table of refusals, and the challenge.
//!
//! The middleware protects the endpoint that it wraps. It never decides by comparing paths.

mod challenge;
mod error;
mod explanation;
mod lookup_limit;
mod observed_audiences;
mod opaque_tokens;
#[cfg(test)]
mod simulation;
mod token_sessions;
mod verified_tokens;

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use tracing::Instrument;

pub use challenge::ChallengeContext;
pub(crate) use error::ErrorBody;
pub use error::{AuthError, ChallengeError, Outage, Refusal};
pub use explanation::{CheckOutcome, CheckResult, Explanation};

use self::token_sessions::{SessionSource, TokenSessions};
use crate::{
    clerk::{ClerkClient, SecretKeyState},
    clock::Clock,
    digest::sha256,
    log_limit::log_limited,
    session::Session,
    token::{BearerError, BearerToken, Check, CheckPass, KeySource, TokenVerifier},
    trace,
};

/// The authenticator: creates the session of a request from its headers.
pub struct Authenticator {
    sessions: Box<dyn SessionSource>,
    secret_key: Arc<SecretKeyState>,
    challenge: ChallengeContext,
}

impl Authenticator {
    /// Creates an authenticator. Every token must have the required scopes of `challenge`. Opaque tokens are
    /// verified with Clerk through `client`; without a client they are rejected.
    pub fn new<K: KeySource>(
        verifier: TokenVerifier<K>,
        client: Option<ClerkClient>,
        challenge: ChallengeContext,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            sessions: Box::new(TokenSessions::new(verifier, client, clock)),
            secret_key: Arc::default(),
            challenge,
        }
    }

    /// Rejects every token with 500 while `state` reports that the secret key is wrong.
    #[must_use]
    pub fn watch_secret_key(mut self, state: Arc<SecretKeyState>) -> Self {
        self.secret_key = state;
        self
    }

    /// Authenticates a request by its headers, before its body is read.
    ///
    /// # Errors
    /// [`AuthError`], which determines the response.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Session>, AuthError> {
        let token = BearerToken::from_headers(headers)?;
        if let Some(misconfiguration) = self.secret_key.misconfiguration() {
            return Err(misconfiguration.into());
        }
        let id = sha256(token.expose().as_bytes());
        let session = match self.sessions.cached(&id) {
            Some(session) => session,
            None => self.sessions.verify(id, &token).await?,
        };
        session.require_scopes(&self.challenge.required_scopes)?;
        Ok(session)
    }

    /// Explains whether a request with `token` would be accepted: runs every check, including those after the
    /// first failure. Verifies opaque tokens with Clerk. Takes the outcome for the secret key from the state
    /// given to [`watch_secret_key`](Self::watch_secret_key). Caches nothing. **Do not send the result to
    /// clients**: the reasons help an attacker to forge tokens.
    pub async fn explain(&self, token: &str) -> Explanation {
        let token: BearerToken = match token.parse() {
            Ok(token) => token,
            Err(error) => {
                let mut explanation = Explanation::default();
                explanation.add(Check::Form, Some(Err::<CheckPass, BearerError>(error)));
                return explanation;
            }
        };
        let mut explanation = Explanation::default();
        explanation.add(
            Check::SecretKey,
            Some(match self.secret_key.misconfiguration() {
                Some(misconfiguration) => Err(misconfiguration),
                None if self.secret_key.is_known_good() => Ok(CheckPass::Passed),
                None => Ok(CheckPass::NotApplicable("Clerk has not confirmed the secret key")),
            }),
        );
        self.sessions.explain(&token, &mut explanation).await;
        let needed = &self.challenge.required_scopes;
        let outcome = explanation.session.as_ref().map(|session| {
            if needed.is_empty() {
                return Ok(CheckPass::NotApplicable("REQUIRED_SCOPES is not set"));
            }
            session.require_scopes(needed).map(|()| CheckPass::Passed)
        });
        explanation.add(Check::Scopes, outcome);
        if explanation.first_failure().is_some() {
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

/// Middleware that lets only authenticated requests reach an endpoint. It puts the [`Session`] (in an
/// [`Arc`]) into the request's extensions and removes the `Authorization` header, so that a tool cannot
/// forward the token. Handlers read the session with [`Data`](poem::web::Data); the [crate
/// docs](crate#any-endpoint-not-only-mcp) show a whole server.
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
pub struct RequireAuth {
    authenticator: Arc<Authenticator>,
    allows_anonymous: bool,
    browser_page: Option<Arc<BrowserPage>>,
}

/// An extension of a request without credentials that [`RequireAuth::allow_anonymous`] passed on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anonymous;

impl RequireAuth {
    /// Creates a middleware that authenticates requests with `authenticator`.
    pub fn new(authenticator: Authenticator) -> Self {
        Self {
            authenticator: Arc::new(authenticator),
            allows_anonymous: false,
            browser_page: None,
        }
    }

    /// Also passes on a POST without any `Authorization` header, and without a session. **The wrapped
    /// endpoint must then decide which requests need a token**, as [`mcp::endpoint`](crate::mcp::endpoint)
    /// does with the [public tools](crate::policy::ToolPolicy::public) of its policy. Do not use this for
    /// other endpoints.
    #[must_use]
    pub fn allow_anonymous(mut self) -> Self {
        self.allows_anonymous = true;
        self
    }

    /// Sends `page` as the body of a 401 to a browser. Status and challenge stay the same.
    #[must_use]
    pub(crate) fn browser_page(mut self, page: BrowserPage) -> Self {
        self.browser_page = Some(Arc::new(page));
        self
    }
}

/// An HTML page and its Content Security Policy.
#[derive(Debug)]
pub(crate) struct BrowserPage {
    pub(crate) html: String,
    pub(crate) policy: HeaderValue,
}

impl<E: Endpoint> Middleware<E> for RequireAuth {
    type Output = RequireAuthEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        RequireAuthEndpoint {
            authenticator: Arc::clone(&self.authenticator),
            allows_anonymous: self.allows_anonymous,
            browser_page: self.browser_page.clone(),
            inner,
        }
    }
}

/// An endpoint wrapped by [`RequireAuth`].
#[derive(Debug)]
pub struct RequireAuthEndpoint<E> {
    authenticator: Arc<Authenticator>,
    allows_anonymous: bool,
    browser_page: Option<Arc<BrowserPage>>,
    inner: E,
}

impl<E: Endpoint> Endpoint for RequireAuthEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        // After a panic the request must be rejected, with a response from the table of refusals.
        let span = trace::verification();
        let outcome = AssertUnwindSafe(self.authenticator.authenticate(request.headers()))
            .catch_unwind()
            .instrument(span.clone())
            .await
            .unwrap_or(Err(AuthError::Internal));
        if let Err(error) = &outcome {
            span.record("error.type", error.reason().as_str());
        }
        drop(span);
        metrics::histogram!("clerk_mcp_token_verification_seconds").record(started.elapsed());
        match outcome {
            Ok(session) => {
                request.headers_mut().remove(header::AUTHORIZATION);
                request.extensions_mut().insert(session);
            }
            // Only if there is no credential at all. A bad one is rejected.
            Err(AuthError::Bearer(BearerError::Missing))
                if self.allows_anonymous && request.method() == Method::POST =>
            {
                request.extensions_mut().insert(Anonymous);
            }
            Err(error) => {
                let response = refuse(&error, &self.authenticator.challenge);
                return Ok(match &self.browser_page {
                    Some(page)
                        if response.status() == StatusCode::UNAUTHORIZED && is_browser(request.headers()) =>
                    {
                        with_page(response, page)
                    }
                    _ => response,
                });
            }
        }
        // Boxed, so that a rejection does not pay for the memory of the whole request.
        let response = Box::pin(self.inner.call(request)).await?;
        Ok(response.into_response())
    }
}

/// Returns whether the client displays HTML. MCP clients do not accept it.
fn is_browser(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter();
    values.any(|value| value.to_str().is_ok_and(|value| value.contains("text/html")))
}

/// Replaces the body of `response` by an HTML page.
fn with_page(mut response: Response, page: &BrowserPage) -> Response {
    response.set_body(page.html.clone());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(header::CONTENT_SECURITY_POLICY, page.policy.clone());
    response
}

/// Rejects a request: counts and logs the reason once, and returns the response. The log line contains no
/// part of the token.
pub(crate) fn refuse(error: &AuthError, challenge: &ChallengeContext) -> Response {
    let reason = error.reason();
    reason.count();
    match error {
        // Every sign-in begins with a request without a token, so this is not worth an INFO line.
        AuthError::Bearer(BearerError::Missing) => tracing::debug!(%reason, "request rejected"),
        // The client caused these. The lookup limit is one of them: made-up tokens exhaust it.
        AuthError::Bearer(_)
        | AuthError::Token(_)
        | AuthError::Denied(_)
        | AuthError::Unavailable(Outage::LookupLimit { .. }) => {
            tracing::info!(%reason, detail = %error, "request rejected");
        }
        AuthError::Misconfigured(_) | AuthError::Unavailable(_) | AuthError::Internal => {
            log_limited!(error, reason.as_str(), %reason, detail = %error, "request cannot be authenticated");
        }
    }
    error.refusal().into_response(challenge)
}
