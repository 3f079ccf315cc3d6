//! [`RequireAuth`]: the middleware that protects the endpoint that it wraps. It is part of the endpoint, so no
//! comparison of paths decides whether a request needs a token.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use tracing::Instrument;

use super::{Authenticator, error::AuthError, refusal::refuse};
use crate::{token::BearerError, trace};

/// Middleware that lets only authenticated requests reach an endpoint. It puts the
/// [`Session`](crate::session::Session) (in an [`Arc`]) into the request's extensions and removes the
/// `Authorization` header, so that a tool cannot forward the token. Handlers read the session with
/// [`Data`](poem::web::Data).
///
/// [`app::authenticator`](crate::app::authenticator) builds the authenticator from a configuration. This
/// example builds one by hand. It fetches Clerk's keys on demand; spawn
/// [`JwksCache::keep_fresh`](crate::token::JwksCache::keep_fresh) to refresh them in the background.
///
/// ```
/// use std::sync::Arc;
///
/// use clerk_mcp::{
///     auth::{Authenticator, ChallengeContext, RequireAuth},
///     clock::SystemClock,
///     outbound,
///     session::Session,
///     token::{AudiencePolicy, HttpJwks, JwksCache, ResourceNames, TokenKind, TokenPolicy, TokenVerifier},
/// };
/// use poem::{EndpointExt, Route, handler, web::Data};
///
/// #[handler]
/// fn me(Data(session): Data<&Arc<Session>>) -> String {
///     session.subject.clone()
/// }
///
/// # fn app() -> Result<impl poem::Endpoint, Box<dyn std::error::Error>> {
/// let clock = Arc::new(SystemClock);
/// let resources = ResourceNames::new(&"https://api.example.com".parse()?);
/// let policy = TokenPolicy {
///     issuer: "https://clerk.example.com".to_owned(),
///     accepted: vec![TokenKind::SessionToken],
///     audience: AudiencePolicy::Required,
///     session_audience: AudiencePolicy::IfPresent,
///     resources: resources.clone(),
///     accepted_audiences: Vec::new(),
///     authorized_parties: vec!["https://app.example.com".to_owned()],
///     leeway: std::time::Duration::from_secs(5),
/// };
/// let jwks: reqwest::Url = "https://clerk.example.com/.well-known/jwks.json".parse()?;
/// let keys = JwksCache::new(HttpJwks::new(outbound::client(&jwks, &[])?, jwks), clock.clone());
/// let verifier = TokenVerifier::new(keys, policy, clock);
/// let authenticator = Authenticator::new(verifier, None, ChallengeContext::new(&resources, Vec::new()));
/// let app = Route::new().at("/me", me.with(RequireAuth::new(authenticator)));
/// # Ok(app)
/// # }
/// # app().unwrap();
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
    /// endpoint must then decide which requests need a token**, as [`mcp::endpoint`](crate::mcp::endpoint())
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
            auth: self.clone(),
            inner,
        }
    }
}

/// An endpoint wrapped by [`RequireAuth`].
#[derive(Debug)]
pub struct RequireAuthEndpoint<E> {
    auth: RequireAuth,
    inner: E,
}

impl<E: Endpoint> Endpoint for RequireAuthEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let span = trace::verification();
        // After a panic the request must be rejected, with a response from the table of refusals.
        let outcome = AssertUnwindSafe(self.auth.authenticator.authenticate(request.headers()))
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
                if self.auth.allows_anonymous && request.method() == Method::POST =>
            {
                request.extensions_mut().insert(Anonymous);
            }
            Err(error) => {
                let response = refuse(&error, &self.auth.authenticator.challenge);
                return Ok(match &self.auth.browser_page {
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
