//! Verifies opaque tokens with Clerk. Results are cached by the SHA-256 of the token, so the cache contains
//! no tokens.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;

use super::{
    error::{AuthError, Outage},
    lookup_limit::LookupLimit,
    observed_audiences::ObservedAudiences,
};
use crate::{
    clerk::{ClerkClient, ClerkError},
    clock::Clock,
    session::Session,
    shared_cache::SharedCache,
    token::{BearerToken, Recorder, TokenError, TokenKind, TokenPolicy, TokenReport},
};

/// A verifier of opaque tokens that caches each of Clerk's results for at most a minute.
pub(super) struct OpaqueTokenCache {
    client: ClerkClient,
    policy: TokenPolicy,
    outcomes: SharedCache<[u8; 32], Result<Arc<Session>, AuthError>>,
    /// The tokens that Clerk accepted at their last lookup. Their lookups have permits of their own in
    /// `limit`.
    accepted: Cache<[u8; 32], ()>,
    limit: LookupLimit,
    observed: Arc<ObservedAudiences>,
    clock: Arc<dyn Clock>,
}

impl OpaqueTokenCache {
    /// Creates an empty cache that verifies tokens with `client` and checks the reports against `policy`.
    pub(super) fn new(
        client: ClerkClient,
        policy: TokenPolicy,
        observed: Arc<ObservedAudiences>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let accepted = Cache::builder()
            .max_capacity(MAX_OUTCOMES)
            .time_to_live(REMEMBER_ACCEPTED)
            .build();
        Self {
            client,
            policy,
            outcomes: SharedCache::new("opaque_tokens", MAX_OUTCOMES, Arc::clone(&clock)),
            accepted,
            limit: LookupLimit::new(Arc::clone(&clock)),
            observed,
            clock,
        }
    }

    /// Returns the session of a token, from the cache or by a lookup at Clerk.
    pub(super) async fn session(
        self: &Arc<Self>,
        id: [u8; 32],
        kind: TokenKind,
        token: &BearerToken,
    ) -> Result<Arc<Session>, AuthError> {
        let lookup = || {
            let (this, token) = (Arc::clone(self), token.clone());
            async move {
                let outcome = this.look_up_within_limit(id, kind, &token).await;
                let lifetime = this.lifetime(&outcome);
                (outcome, lifetime)
            }
        };
        let outcome = self.outcomes.get(id, lookup).await;
        outcome.unwrap_or(Err(AuthError::Internal))
    }

    async fn look_up_within_limit(
        &self,
        id: [u8; 32],
        kind: TokenKind,
        token: &BearerToken,
    ) -> Result<Arc<Session>, AuthError> {
        let lookup = self.look_up(kind, token);
        let outcome = if self.accepted.contains_key(&id) {
            self.limit.run_accepted(lookup).await
        } else {
            self.limit.run(lookup).await
        };
        match &outcome {
            Ok(_) => self.accepted.insert(id, ()),
            Err(AuthError::Token(_)) => self.accepted.invalidate(&id),
            // These errors say nothing about the token.
            Err(
                AuthError::Bearer(_)
                | AuthError::Denied(_)
                | AuthError::Misconfigured(_)
                | AuthError::Unavailable(_)
                | AuthError::Internal,
            ) => {}
        }
        outcome
    }

    async fn look_up(&self, kind: TokenKind, token: &BearerToken) -> Result<Arc<Session>, AuthError> {
        let report = self.fetch_report(kind, token).await?;
        let mut recorder = Recorder::stop_at_first_failure();
        let verified = report.check(kind, &self.policy, self.clock.now(), &mut recorder)?;
        self.observed.record(&verified);
        Ok(Arc::new(Session::from(verified)))
    }

    /// Fetches Clerk's report about a token, without the cache and the limit. `explain` uses it, too.
    pub(super) async fn fetch_report(
        &self,
        kind: TokenKind,
        token: &BearerToken,
    ) -> Result<TokenReport, AuthError> {
        self.client
            .verify_opaque_token(kind, token)
            .await
            .map_err(|error| match error {
                // Clerk reports an unknown token with one of these statuses.
                ClerkError::NotFound
                | ClerkError::Rejected {
                    status: 400 | 422, ..
                } => TokenError::Unknown.into(),
                error @ (ClerkError::KeyRejected { .. }
                | ClerkError::Forbidden { .. }
                | ClerkError::RateLimited { .. }
                | ClerkError::Unavailable { .. }
                | ClerkError::UnexpectedBody
                | ClerkError::Rejected { .. }) => error.into(),
            })
    }

    /// Returns how long to cache an outcome. A session is not cached longer than its token is valid. An error
    /// that the token did not cause is cached only briefly.
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
            // Made-up tokens must not displace the tokens of users from the cache.
            Err(AuthError::Unavailable(Outage::LookupLimit { .. })) => Duration::ZERO,
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
/// How long an accepted token that is not used is remembered. Longer than [`ACCEPTED_LIFETIME`], so that a
/// token in use is always remembered when its result expires.
const REMEMBER_ACCEPTED: Duration = Duration::from_mins(10);
const ACCEPTED_LIFETIME: Duration = Duration::from_mins(1);
const REJECTED_LIFETIME: Duration = Duration::from_secs(5);
const FAILURE_LIFETIME: Duration = Duration::from_secs(1);
