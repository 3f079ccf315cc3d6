//! Verifies tokens, and caches the sessions of verified JWTs. The cache is keyed by the SHA-256 of the token,
//! so that it contains no tokens.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use moka::sync::Cache;

use super::{
    error::AuthError, explanation::Explanation, observed_audiences::ObservedAudiences,
    opaque_tokens::OpaqueTokenCache,
};
use crate::{
    clerk::ClerkClient,
    clock::Clock,
    digest::sha256,
    session::Session,
    token::{
        BearerToken, Check, KeyReference, KeySource, Pass, Recorder, TokenError, TokenKind, TokenVerifier,
        VerifyError, unverified_members,
    },
};

/// Turns tokens into sessions. Object-safe, so that the middleware need not be generic over the key source.
pub(super) trait SessionSource: Send + Sync {
    /// Verifies a token, or takes its session from the cache.
    fn session<'a>(&'a self, token: &'a BearerToken) -> BoxFuture<'a, Result<Arc<Session>, AuthError>>;

    /// Runs every check of a token and adds the outcomes and the session to `explanation`. Nothing is cached.
    fn explain<'a>(&'a self, token: &'a BearerToken, explanation: &'a mut Explanation) -> BoxFuture<'a, ()>;
}

/// Verifies tokens and caches the sessions of verified JWTs.
pub(super) struct VerifiedTokenCache<K> {
    verifier: TokenVerifier<K>,
    verified: Cache<[u8; 32], Arc<VerifiedToken>>,
    opaque: Option<OpaqueTokenCache>,
    observed: Arc<ObservedAudiences>,
    clock: Arc<dyn Clock>,
}

/// The cached result of a verified JWT.
struct VerifiedToken {
    session: Arc<Session>,
    key: KeyReference,
    expires_at: Timestamp,
    weight: u32,
}

impl<K: KeySource> VerifiedTokenCache<K> {
    /// Creates an empty cache. Opaque tokens are verified with Clerk through `client`; without a client they
    /// are rejected.
    pub(super) fn new(
        verifier: TokenVerifier<K>,
        client: Option<ClerkClient>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let observed = Arc::<ObservedAudiences>::default();
        let opaque = client.map(|client| {
            let policy = verifier.policy().clone();
            OpaqueTokenCache::new(client, policy, Arc::clone(&observed), Arc::clone(&clock))
        });
        let verified = Cache::builder()
            .max_capacity(MAX_VERIFIED_BYTES)
            .weigher(|_, entry: &Arc<VerifiedToken>| entry.weight)
            .time_to_live(FORGET_AFTER)
            .build();
        Self {
            verifier,
            verified,
            opaque,
            observed,
            clock,
        }
    }

    /// Returns the cached session of a token, if `exp` has not passed and the key still belongs to the
    /// application. The results of all other checks do not change over time.
    fn cached(&self, id: &[u8; 32]) -> Option<Arc<Session>> {
        let entry = self.verified.get(id)?;
        (self.clock.now() < entry.expires_at && self.verifier.keys().holds(&entry.key))
            .then(|| Arc::clone(&entry.session))
    }

    /// Verifies a token that is not in the cache.
    async fn verify(&self, id: [u8; 32], token: &BearerToken) -> Result<Arc<Session>, AuthError> {
        let verified = match self.verifier.verify(token).await {
            Ok(verified) => verified,
            Err(VerifyError::Opaque(kind)) => {
                let opaque = self.opaque.as_ref().ok_or(TokenError::KindNotAccepted(kind))?;
                return opaque.session(id, kind, token).await;
            }
            Err(error) => return Err(error.into()),
        };
        count("miss");
        self.observed.report(&verified);
        let (key, expires_at) = (verified.key().cloned(), verified.expires_at());
        let session = Arc::new(Session::from(verified));
        if let (Some(key), Some(expires_at)) = (key, expires_at) {
            // Parsed claims take several times the memory of their text.
            let weight = u32::try_from(token.expose().len() * 4 + 1024).unwrap_or(u32::MAX);
            let entry = VerifiedToken {
                session: Arc::clone(&session),
                key,
                expires_at,
                weight,
            };
            self.verified.insert(id, Arc::new(entry));
        }
        Ok(session)
    }
}

impl<K: KeySource> SessionSource for VerifiedTokenCache<K> {
    fn session<'a>(&'a self, token: &'a BearerToken) -> BoxFuture<'a, Result<Arc<Session>, AuthError>> {
        async move {
            let id = sha256(token.expose().as_bytes());
            match self.cached(&id) {
                Some(session) => {
                    count("hit");
                    Ok(session)
                }
                None => self.verify(id, token).await,
            }
        }
        .boxed()
    }

    fn explain<'a>(&'a self, token: &'a BearerToken, explanation: &'a mut Explanation) -> BoxFuture<'a, ()> {
        async move {
            let mut recorder = Recorder::record_all();
            let verified = self.verifier.check(token, &mut recorder).await;
            explanation.kind = recorder.kind;
            (explanation.header, explanation.claims) = unverified_members(token.expose()).unzip();
            explanation.extend(recorder.into_outcomes());
            match verified {
                Ok(verified) => explanation.session = Some(Arc::new(verified.into())),
                Err(VerifyError::Opaque(kind)) => self.explain_opaque(kind, token, explanation).await,
                // The failure is among the recorded checks.
                Err(VerifyError::Token(_) | VerifyError::Keys(_)) => {}
            }
        }
        .boxed()
    }
}

impl<K: KeySource> VerifiedTokenCache<K> {
    /// Adds the checks of Clerk's report about an opaque token.
    async fn explain_opaque(&self, kind: TokenKind, token: &BearerToken, explanation: &mut Explanation) {
        let answer = match &self.opaque {
            Some(opaque) => opaque.report(kind, token).await,
            None => Err(TokenError::KindNotAccepted(kind).into()),
        };
        let report = match answer {
            Ok(report) => report,
            Err(error) => {
                explanation.add(Check::Active, Some(Err(error)));
                for check in [Check::Revoked, Check::Expiry, Check::Subject, Check::Audience] {
                    explanation.add(check, None::<Result<Pass, AuthError>>);
                }
                return;
            }
        };
        explanation.claims = report.members();
        let mut recorder = Recorder::record_all();
        let verified = report.check(kind, self.verifier.policy(), self.clock.now(), &mut recorder);
        explanation.extend(recorder.into_outcomes());
        explanation.session = verified.ok().map(|verified| Arc::new(verified.into()));
    }
}

/// Counts a cache lookup of a valid JWT.
fn count(outcome: &'static str) {
    metrics::counter!("clerk_mcp_cache_lookups_total", "cache" => "verified_tokens", "outcome" => outcome)
        .increment(1);
}

/// A limit on the weight in bytes, not on the number of tokens. An attacker cannot fill the cache, because
/// only valid tokens are cached.
const MAX_VERIFIED_BYTES: u64 = 16 * 1024 * 1024;
/// Frees the memory of tokens that are no longer used.
const FORGET_AFTER: Duration = Duration::from_mins(10);
