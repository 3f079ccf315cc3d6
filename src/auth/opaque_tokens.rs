//! Verifies opaque tokens with Clerk. Results are cached by the SHA-256 of the token, so the cache contains
//! no tokens.

use std::{sync::Arc, time::Duration};

use super::{
    error::{AuthError, Outage},
    lookup_budget::LookupBudget,
};
use crate::{
    clerk::{ClerkClient, ClerkError, Misconfiguration},
    clock::Clock,
    session::Session,
    shared_cache::SharedCache,
    token::{BearerToken, Recorder, TokenError, TokenKind, TokenPolicy, TokenReport},
};

/// A cache of the results of opaque tokens, each kept for at most a minute.
pub(super) struct OpaqueTokenCache {
    client: ClerkClient,
    policy: TokenPolicy,
    outcomes: SharedCache<[u8; 32], Result<Arc<Session>, AuthError>>,
    budget: LookupBudget,
    clock: Arc<dyn Clock>,
}

impl OpaqueTokenCache {
    /// Creates an empty cache that verifies tokens with `client` and checks the reports against `policy`.
    pub(super) fn new(client: ClerkClient, policy: TokenPolicy, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            policy,
            outcomes: SharedCache::new("opaque_tokens", MAX_OUTCOMES, Arc::clone(&clock)),
            budget: LookupBudget::new(),
            clock,
        }
    }

    pub(super) async fn session(
        &self,
        id: [u8; 32],
        kind: TokenKind,
        token: &BearerToken,
    ) -> Result<Arc<Session>, AuthError> {
        let lookup = async {
            let outcome = self.budget.run(self.clock.now(), self.look_up(kind, token)).await;
            let lifetime = self.lifetime(&outcome);
            (outcome, lifetime)
        };
        // Boxed, because moka stores several copies of the future in its own future.
        self.outcomes.get(id, Box::pin(lookup)).await
    }

    async fn look_up(&self, kind: TokenKind, token: &BearerToken) -> Result<Arc<Session>, AuthError> {
        let report = self.report(kind, token).await?;
        let mut recorder = Recorder::stop_at_first_failure();
        let verified = report.check(kind, &self.policy, self.clock.now(), &mut recorder)?;
        Ok(Arc::new(Session::from(verified)))
    }

    pub(super) async fn report(
        &self,
        kind: TokenKind,
        token: &BearerToken,
    ) -> Result<TokenReport, AuthError> {
        self.client
            .report(kind, token)
            .await
            .map_err(|error| match error {
                // Statuses with which Clerk reports an unknown token.
                ClerkError::NotFound
                | ClerkError::Refused {
                    status: 400 | 422, ..
                } => TokenError::Unknown.into(),
                ClerkError::KeyRefused { .. } | ClerkError::Forbidden { .. } => {
                    Misconfiguration::KeyRefused.into()
                }
                error @ (ClerkError::RateLimited { .. }
                | ClerkError::Unavailable { .. }
                | ClerkError::UnexpectedBody
                | ClerkError::Refused { .. }) => AuthError::Unavailable(Outage::Clerk(error)),
            })
    }

    /// Returns how long to cache an outcome. A session is never cached longer than its token is valid, and
    /// errors that are not caused by the token only briefly.
    fn lifetime(&self, outcome: &Result<Arc<Session>, AuthError>) -> Duration {
        match outcome {
            Ok(session) => session.expires_at.map_or(ACCEPTED_LIFETIME, |expires_at| {
                let left = expires_at.duration_since(self.clock.now());
                if left.is_negative() {
                    Duration::ZERO
                } else {
                    left.unsigned_abs().min(ACCEPTED_LIFETIME)
                }
            }),
            Err(AuthError::Token(_)) => REJECTED_LIFETIME,
            Err(
                AuthError::Bearer(_)
                | AuthError::Denied(_)
                | AuthError::Misconfigured(_)
                | AuthError::Unavailable(_)
                | AuthError::Internal,
            ) => FAILURE_LIFETIME,
        }
    }
}

const MAX_OUTCOMES: u64 = 10_000;
const ACCEPTED_LIFETIME: Duration = Duration::from_mins(1);
const REJECTED_LIFETIME: Duration = Duration::from_secs(5);
const FAILURE_LIFETIME: Duration = Duration::from_secs(1);
