//! Opaque tokens: Clerk is asked about each, its answers are cached, keyed by SHA-256, so that no token lies in memory.

use std::{sync::Arc, time::Duration};

use super::{
    error::{AuthError, Outage},
    lookup_budget::LookupBudget,
    observed_audiences::ObservedAudiences,
};
use crate::{
    clerk::{ClerkClient, ClerkError, Misconfiguration},
    clock::Clock,
    session::Session,
    shared_cache::SharedCache,
    token::{BearerToken, Recorder, TokenError, TokenKind, TokenPolicy, TokenReport},
};

/// A cache of Clerk's answers about opaque tokens, kept for a minute at most.
pub(super) struct OpaqueTokenCache {
    client: ClerkClient,
    policy: TokenPolicy,
    outcomes: SharedCache<[u8; 32], Result<Arc<Session>, AuthError>>,
    budget: LookupBudget,
    observed: Arc<ObservedAudiences>,
    clock: Arc<dyn Clock>,
}

impl OpaqueTokenCache {
    /// Creates an empty cache that asks `client` about tokens and holds its reports to `policy`.
    pub(super) fn new(
        client: ClerkClient,
        policy: TokenPolicy,
        observed: Arc<ObservedAudiences>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            client,
            policy,
            outcomes: SharedCache::new("opaque_tokens", MAX_OUTCOMES, Arc::clone(&clock)),
            budget: LookupBudget::new(),
            observed,
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
            let outcome = self
                .budget
                .spend(self.clock.now(), self.look_up(kind, token))
                .await;
            let lifetime = self.lifetime(&outcome);
            (outcome, lifetime)
        };
        // moka holds the question several times over.
        self.outcomes.get(id, Box::pin(lookup)).await
    }

    async fn look_up(&self, kind: TokenKind, token: &BearerToken) -> Result<Arc<Session>, AuthError> {
        let report = self.report(kind, token).await?;
        let mut recorder = Recorder::stop_at_first_failure();
        let verified = report.check(kind, &self.policy, self.clock.now(), &mut recorder)?;
        self.observed.report(&verified);
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
                // Clerk's ways to say that it knows no such token.
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

    /// How long an outcome is kept. One about a token never outlives the token; what says nothing of it is asked again soon.
    fn lifetime(&self, outcome: &Result<Arc<Session>, AuthError>) -> Duration {
        match outcome {
            Ok(session) => session.expires_at.map_or(KEEP_GOOD, |expires_at| {
                let left = expires_at.duration_since(self.clock.now());
                if left.is_negative() {
                    Duration::ZERO
                } else {
                    left.unsigned_abs().min(KEEP_GOOD)
                }
            }),
            Err(AuthError::Token(_)) => KEEP_BAD,
            Err(
                AuthError::Bearer(_)
                | AuthError::Denied(_)
                | AuthError::Misconfigured(_)
                | AuthError::Unavailable(_)
                | AuthError::Internal,
            ) => KEEP_UNKNOWN,
        }
    }
}

const MAX_OUTCOMES: u64 = 10_000;
const KEEP_GOOD: Duration = Duration::from_mins(1);
const KEEP_BAD: Duration = Duration::from_secs(5);
const KEEP_UNKNOWN: Duration = Duration::from_secs(1);
