//! Authentication at the HTTP edge: a poem middleware, the refusals, the challenge.
//!
//! What is protected is decided by what this middleware is wrapped around, never by comparing paths.

mod challenge;
mod error;

use std::{fmt, sync::Arc};

use futures_util::FutureExt;
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    http::{HeaderMap, header},
};

pub use challenge::ChallengeContext;
pub(crate) use error::ErrorBody;
pub use error::{AuthError, ChallengeError, Refusal};

use crate::{
    session::Session,
    token::{BearerToken, KeySource, TokenVerifier},
};

/// Authenticates requests: headers in, [`Session`] or [`AuthError`] out.
pub struct Authenticator {
    verify: Box<dyn DynVerify>,
    required_scopes: Vec<String>,
    challenge: ChallengeContext,
}

impl Authenticator {
    /// An authenticator that verifies with `verifier`, asks every token for `required_scopes`, and challenges with
    /// `challenge`.
    pub fn new<K: KeySource>(
        verifier: TokenVerifier<K>,
        required_scopes: Vec<String>,
        challenge: ChallengeContext,
    ) -> Self {
        Self {
            verify: Box::new(verifier),
            required_scopes,
            challenge,
        }
    }

    /// Authenticates a request by its headers alone; its body has not been read.
    ///
    /// # Errors
    /// [`AuthError`], which knows its own response.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Session, AuthError> {
        let token = BearerToken::from_headers(headers)?;
        let session = self.verify.verify(&token).await?;
        if session.missing_scopes(&self.required_scopes).is_empty() {
            return Ok(session);
        }
        Err(AuthError::ScopesMissing {
            needed: self.required_scopes.clone(),
        })
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("required_scopes", &self.required_scopes)
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}

/// Wraps an endpoint so that only authenticated requests reach it, each with its [`Session`] in the extensions and
/// without its `Authorization` header: what a tool can't see, it can't pass on.
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
        // A panic in here must refuse, not pass, and must look like every other refusal.
        let outcome = std::panic::AssertUnwindSafe(self.authenticator.authenticate(request.headers()))
            .catch_unwind()
            .await
            .unwrap_or(Err(AuthError::Internal));
        let session = match outcome {
            Ok(session) => session,
            Err(error) => {
                log(&error);
                return Ok(error.refusal().into_response(&self.authenticator.challenge));
            }
        };
        request.headers_mut().remove(header::AUTHORIZATION);
        request.extensions_mut().insert(session);
        self.inner.call(request).await.map(IntoResponse::into_response)
    }
}

/// The one line of a refusal: its reason and the remedy, nothing of the token.
fn log(error: &AuthError) {
    match error {
        AuthError::Bearer(_) | AuthError::Token(_) | AuthError::ScopesMissing { .. } => {
            tracing::info!(reason = error.reason(), detail = %error, "request refused");
        }
        AuthError::Unavailable(_) | AuthError::Internal => {
            tracing::error!(reason = error.reason(), detail = %error, "request can't be authenticated");
        }
    }
}

/// [`TokenVerifier`] without its type parameter, so that middleware and endpoints have none.
trait DynVerify: Send + Sync {
    fn verify<'a>(
        &'a self,
        token: &'a BearerToken,
    ) -> futures_util::future::BoxFuture<'a, Result<Session, AuthError>>;
}

impl<K: KeySource> DynVerify for TokenVerifier<K> {
    fn verify<'a>(
        &'a self,
        token: &'a BearerToken,
    ) -> futures_util::future::BoxFuture<'a, Result<Session, AuthError>> {
        async move { Ok(Self::verify(self, token).await.map(Session::from)?) }.boxed()
    }
}
