//! Authentication of HTTP requests: [`Authenticator`] (in this file), the poem middleware that uses it, the
//! table of refusals (the responses to rejected requests), and the challenge (`WWW-Authenticate`).

mod challenge;
mod error;
mod explanation;
mod lookup_limit;
mod middleware;
mod observed_audiences;
mod opaque_tokens;
mod refusal;
#[cfg(test)]
mod simulation;
mod verified_tokens;

use std::{fmt, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use poem::http::HeaderMap;

pub use challenge::ChallengeContext;
pub use error::{AuthError, Outage};
pub use explanation::{CheckOutcome, CheckResult, Explanation};
pub(crate) use middleware::{Anonymous, BrowserPage};
pub use middleware::{RequireAuth, RequireAuthEndpoint};
pub use refusal::{ChallengeError, Refusal};
pub(crate) use refusal::{ErrorBody, refuse};

use self::{
    observed_audiences::ObservedAudiences, opaque_tokens::OpaqueTokenCache,
    verified_tokens::VerifiedTokenCache,
};
use crate::{
    clerk::{ClerkClient, SecretKeyState},
    digest::sha256,
    session::Session,
    token::{BearerToken, TokenError, TokenVerifier, VerifyError},
};

/// The authenticator: creates the session of a request from its headers.
pub struct Authenticator {
    verifier: TokenVerifier,
    verified: VerifiedTokenCache,
    /// `None` if opaque tokens are rejected.
    opaque: Option<Arc<OpaqueTokenCache>>,
    observed: Arc<ObservedAudiences>,
    secret_key: Arc<SecretKeyState>,
    /// What challenges contain, and the scopes that every token must have (`REQUIRED_SCOPES`).
    challenge: ChallengeContext,
}

impl Authenticator {
    /// Creates an authenticator. Every token must have the required scopes of `challenge`. Opaque tokens are
    /// verified with Clerk through `client`; without a client they are rejected.
    pub fn new(verifier: TokenVerifier, client: Option<ClerkClient>, challenge: ChallengeContext) -> Self {
        let observed = Arc::<ObservedAudiences>::default();
        let opaque = client.map(|client| {
            let (policy, clock) = (verifier.policy.clone(), Arc::clone(&verifier.clock));
            Arc::new(OpaqueTokenCache::new(
                client,
                policy,
                Arc::clone(&observed),
                clock,
            ))
        });
        Self {
            verifier,
            verified: VerifiedTokenCache::default(),
            opaque,
            observed,
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
        let session = match self
            .verified
            .get(&id, &*self.verifier.keys, self.verifier.clock.now())
        {
            Some(session) => session,
            None => self.verify(id, &token).await?,
        };
        session.require_scopes(&self.challenge.required_scopes)?;
        Ok(session)
    }

    /// Returns the session of a token that is not among the verified JWTs: verifies a JWT, or takes the result
    /// for an opaque token from its cache or from Clerk. Boxed, because the future is large and rarely needed.
    fn verify<'a>(
        &'a self,
        id: [u8; 32],
        token: &'a BearerToken,
    ) -> BoxFuture<'a, Result<Arc<Session>, AuthError>> {
        async move {
            let verified = match self.verifier.verify(token).await {
                Ok(verified) => verified,
                Err(VerifyError::Opaque(kind)) => {
                    let opaque = self.opaque.as_ref().ok_or(TokenError::KindNotAccepted(kind))?;
                    return opaque.session(id, kind, token).await;
                }
                Err(error) => return Err(error.into()),
            };
            self.observed.record(&verified);
            Ok(self.verified.insert(id, token, verified))
        }
        .boxed()
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}
