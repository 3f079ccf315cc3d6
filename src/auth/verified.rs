//! From a bearer token to a [`Session`], by way of what was found out before: verified JWTs and Clerk's verdicts on opaque
//! tokens are kept, keyed by SHA-256, so that no token lies in memory.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;
use tokio::sync::Semaphore;

use super::{AuthError, error::Outage, explain::Explanation};
use crate::{
    clerk::{ClerkClient, ClerkError, Misconfiguration},
    clock::Clock,
    digest::sha256,
    session::Session,
    shared_cache::SharedCache,
    token::{
        BearerToken, Check, KeyReference, KeySource, Pass, TokenError, TokenKind, TokenPolicy, TokenReport,
        TokenVerifier, VerifyError,
    },
};

/// Makes sessions of tokens. Without its type parameter behind this trait, so that middleware has none.
pub(super) trait Sessions: Send + Sync {
    fn of<'a>(&'a self, token: &'a BearerToken) -> BoxFuture<'a, Result<Arc<Session>, AuthError>>;

    /// As [`of`](Self::of), with every check and what came of it. Nothing is remembered.
    fn explain<'a>(&'a self, token: &'a BearerToken, explanation: &'a mut Explanation) -> BoxFuture<'a, ()>;
}

/// Sessions of verified tokens.
pub(super) struct VerifiedSessions<K> {
    verifier: TokenVerifier<K>,
    verified: Cache<[u8; 32], Arc<Verified>>,
    opaque: Option<OpaqueSessions>,
    clock: Arc<dyn Clock>,
}

/// A JWT that was verified.
struct Verified {
    session: Arc<Session>,
    key: KeyReference,
    expires_at: Timestamp,
    weight: u32,
}

impl<K: KeySource> VerifiedSessions<K> {
    /// With `client`, opaque tokens are asked about at Clerk; without, they are refused.
    pub(super) fn new(
        verifier: TokenVerifier<K>,
        client: Option<ClerkClient>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let opaque = client.map(|client| OpaqueSessions {
            client,
            policy: verifier.policy().clone(),
            verdicts: SharedCache::new("opaque_tokens", MAX_VERDICTS, Arc::clone(&clock)),
            budget: Budget::new(),
            clock: Arc::clone(&clock),
        });
        let verified = Cache::builder()
            .max_capacity(MAX_VERIFIED_BYTES)
            .weigher(|_, entry: &Arc<Verified>| entry.weight)
            .time_to_live(FORGET_AFTER)
            .build();
        Self {
            verifier,
            verified,
            opaque,
            clock,
        }
    }

    /// A token that was verified before, is not past `exp`, and whose key is still one of the application's. All else that
    /// was checked stays true as time goes on.
    fn held(&self, id: &[u8; 32]) -> Option<Arc<Session>> {
        let held = self.verified.get(id)?;
        (self.clock.now() < held.expires_at && self.verifier.keys().holds(&held.key))
            .then(|| Arc::clone(&held.session))
    }

    async fn verify(&self, id: [u8; 32], token: &BearerToken) -> Result<Arc<Session>, AuthError> {
        let verified = match self.verifier.verify(token).await {
            Ok(verified) => verified,
            Err(VerifyError::Opaque(kind)) => {
                let opaque = self.opaque.as_ref().ok_or(TokenError::KindNotAccepted(kind))?;
                return opaque.of(id, kind, token).await;
            }
            Err(error) => return Err(error.into()),
        };
        count("miss");
        let (key, expires_at) = (verified.key().cloned(), verified.expires_at());
        let session = Arc::new(Session::from(verified));
        if let (Some(key), Some(expires_at)) = (key, expires_at) {
            // Claims take several times the room of their text.
            let weight = u32::try_from(token.expose().len() * 4 + 1024).unwrap_or(u32::MAX);
            let entry = Verified {
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

impl<K: KeySource> Sessions for VerifiedSessions<K> {
    fn of<'a>(&'a self, token: &'a BearerToken) -> BoxFuture<'a, Result<Arc<Session>, AuthError>> {
        async move {
            let id = sha256(token.expose().as_bytes());
            match self.held(&id) {
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
            explanation.extend(self.verifier.examine(token).await);
            match self.verifier.verify(token).await {
                Ok(verified) => explanation.session = Some(Arc::new(verified.into())),
                Err(VerifyError::Opaque(kind)) => self.explain_opaque(kind, token, explanation).await,
                // The findings say so.
                Err(VerifyError::Token(_) | VerifyError::Keys(_)) => {}
            }
        }
        .boxed()
    }
}

impl<K: KeySource> VerifiedSessions<K> {
    async fn explain_opaque(&self, kind: TokenKind, token: &BearerToken, explanation: &mut Explanation) {
        let answer = match &self.opaque {
            Some(opaque) => opaque.report(kind, token).await,
            None => Err(TokenError::KindNotAccepted(kind).into()),
        };
        let report = match answer {
            Ok(report) => report,
            Err(error) => {
                explanation.add(Check::Known, Some(Err(error)));
                for check in TokenReport::checks().filter(|check| *check != Check::Known) {
                    explanation.add(check, None::<Result<Pass, AuthError>>);
                }
                return;
            }
        };
        explanation.claims = report.members();
        let now = self.clock.now();
        let policy = self.verifier.policy();
        for (check, outcome) in report.findings(kind, policy, now) {
            explanation.add(check, Some(outcome));
        }
        explanation.session = report
            .check(kind, policy, now)
            .ok()
            .map(|verified| Arc::new(verified.into()));
    }
}

/// Counts a look-up of a good JWT.
fn count(outcome: &'static str) {
    metrics::counter!("clerk_mcp_cache_lookups_total", "cache" => "verified_tokens", "outcome" => outcome)
        .increment(1);
}

/// Sessions of opaque tokens: Clerk's verdicts, kept for a minute at most.
struct OpaqueSessions {
    client: ClerkClient,
    policy: TokenPolicy,
    verdicts: SharedCache<[u8; 32], Result<Arc<Session>, AuthError>>,
    budget: Budget,
    clock: Arc<dyn Clock>,
}

impl OpaqueSessions {
    async fn of(
        &self,
        id: [u8; 32],
        kind: TokenKind,
        token: &BearerToken,
    ) -> Result<Arc<Session>, AuthError> {
        let ask = async {
            let verdict = self.budget.spend(self.clock.now(), self.ask(kind, token)).await;
            let lifetime = self.lifetime(&verdict);
            (verdict, lifetime)
        };
        // moka holds the question several times over.
        self.verdicts.get(id, Box::pin(ask)).await
    }

    async fn ask(&self, kind: TokenKind, token: &BearerToken) -> Result<Arc<Session>, AuthError> {
        let report = self.report(kind, token).await?;
        let verified = report.check(kind, &self.policy, self.clock.now())?;
        Ok(Arc::new(Session::from(verified)))
    }

    async fn report(&self, kind: TokenKind, token: &BearerToken) -> Result<TokenReport, AuthError> {
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

    /// How long a verdict stands. One on a token never outlives the token; what says nothing of it is asked again soon.
    fn lifetime(&self, verdict: &Result<Arc<Session>, AuthError>) -> Duration {
        match verdict {
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

/// Made-up opaque tokens cost a stranger nothing and us one of Clerk's requests each, of which an application has a hundred
/// in ten seconds, tools included. So few are asked about at a time, and after many that Clerk doesn't know, or when it
/// says that there were too many, none for a while.
struct Budget {
    spent: Mutex<Spent>,
    asking: Semaphore,
}

#[derive(Default)]
struct Spent {
    unknown: u32,
    counted_from: Timestamp,
    not_before: Timestamp,
}

impl Budget {
    fn new() -> Self {
        Self {
            spent: Mutex::default(),
            asking: Semaphore::new(MAX_ASKING),
        }
    }

    /// What comes of `ask`, if there's something left to spend.
    async fn spend(
        &self,
        now: Timestamp,
        ask: impl Future<Output = Result<Arc<Session>, AuthError>>,
    ) -> Result<Arc<Session>, AuthError> {
        // Never closed.
        let _place = self.asking.acquire().await;
        if let Some(retry_after) = self.exhausted(now) {
            return Err(AuthError::Unavailable(Outage::Clerk(ClerkError::RateLimited {
                retry_after: Some(retry_after),
            })));
        }
        let verdict = ask.await;
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        match &verdict {
            Err(AuthError::Token(TokenError::Unknown)) => spent.unknown += 1,
            Err(AuthError::Unavailable(Outage::Clerk(ClerkError::RateLimited { retry_after }))) => {
                let wait = retry_after.unwrap_or(BUDGET_WINDOW).min(LONGEST_PAUSE);
                spent.not_before = now + SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
            }
            _ => {}
        }
        verdict
    }

    /// How long to wait, if nothing is left.
    fn exhausted(&self, now: Timestamp) -> Option<Duration> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(spent.counted_from).unsigned_abs() >= BUDGET_WINDOW {
            (spent.unknown, spent.counted_from) = (0, now);
        }
        if now < spent.not_before {
            return Some(spent.not_before.duration_since(now).unsigned_abs());
        }
        (spent.unknown >= MAX_UNKNOWN).then_some(BUDGET_WINDOW)
    }
}

/// Tokens' weight in bytes, not their number: a stranger can't fill it, for only good tokens get in.
const MAX_VERIFIED_BYTES: u64 = 16 * 1024 * 1024;
/// Gives back the memory of tokens that nobody uses any more.
const FORGET_AFTER: Duration = Duration::from_mins(10);
const MAX_VERDICTS: u64 = 10_000;
const KEEP_GOOD: Duration = Duration::from_mins(1);
const KEEP_BAD: Duration = Duration::from_secs(5);
const KEEP_UNKNOWN: Duration = Duration::from_secs(1);
const MAX_ASKING: usize = 20;
const MAX_UNKNOWN: u32 = 30;
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
