//! Authentication of HTTP requests: the authenticator, a poem middleware, the table of refusals (the
//! responses to rejected requests), and the challenge (`WWW-Authenticate`).

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
mod token_sessions;
mod verified_tokens;

use std::{fmt, sync::Arc};

use poem::http::HeaderMap;

pub use challenge::ChallengeContext;
pub use error::{AuthError, Outage};
pub use explanation::{CheckOutcome, CheckResult, Explanation};
pub(crate) use middleware::{Anonymous, BrowserPage};
pub use middleware::{RequireAuth, RequireAuthEndpoint};
pub use refusal::{ChallengeError, Refusal};
pub(crate) use refusal::{ErrorBody, refuse};

use self::token_sessions::{SessionSource, TokenSessions};
use crate::{
    clerk::{ClerkClient, SecretKeyState},
    clock::Clock,
    digest::sha256,
    session::Session,
    token::{BearerError, BearerToken, Check, CheckPass, KeySource, TokenVerifier},
};

/// The authenticator: creates the session of a request from its headers.
pub struct Authenticator {
    sessions: Box<dyn SessionSource>,
    secret_key: Arc<SecretKeyState>,
    /// What challenges contain, and the scopes that every token must have (`REQUIRED_SCOPES`).
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
