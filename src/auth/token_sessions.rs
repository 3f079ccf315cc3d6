//! [`TokenSessions`]: turns tokens into sessions, for requests and for `explain`.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};

use super::{
    error::AuthError, explanation::Explanation, observed_audiences::ObservedAudiences,
    opaque_tokens::OpaqueTokenCache, verified_tokens::VerifiedTokenCache,
};
use crate::{
    clerk::ClerkClient,
    clock::Clock,
    session::Session,
    token::{
        BearerToken, Check, CheckPass, KeySource, Recorder, TokenError, TokenKind, TokenVerifier,
        VerifyError, unverified_members,
    },
};

/// The SHA-256 of a token. The caches contain no tokens.
pub(super) type TokenId = [u8; 32];

/// A source of sessions for tokens. Object-safe, so the middleware need not be generic over the key source.
pub(super) trait SessionSource: Send + Sync {
    /// Returns the session of the JWT with this id if the JWT was verified before.
    fn cached(&self, id: &TokenId) -> Option<Arc<Session>>;

    /// Returns the session of any other token: verifies a JWT, or takes the result for an opaque token from its
    /// cache or from Clerk.
    fn verify<'a>(
        &'a self,
        id: TokenId,
        token: &'a BearerToken,
    ) -> BoxFuture<'a, Result<Arc<Session>, AuthError>>;

    /// Runs every check of a token and adds the outcomes and the session to `explanation`. Nothing is cached.
    fn explain<'a>(&'a self, token: &'a BearerToken, explanation: &'a mut Explanation) -> BoxFuture<'a, ()>;
}

/// The session source that verifies JWTs with keys and opaque tokens with Clerk. It caches the results.
pub(super) struct TokenSessions<K> {
    verifier: TokenVerifier<K>,
    verified: VerifiedTokenCache,
    opaque: Option<OpaqueTokenCache>,
    observed: Arc<ObservedAudiences>,
    clock: Arc<dyn Clock>,
}

impl<K: KeySource> TokenSessions<K> {
    /// Creates a source with empty caches. Opaque tokens are verified with Clerk through `client`; without a
    /// client they are rejected.
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
        Self {
            verifier,
            verified: VerifiedTokenCache::default(),
            opaque,
            observed,
            clock,
        }
    }
}

impl<K: KeySource> SessionSource for TokenSessions<K> {
    fn cached(&self, id: &TokenId) -> Option<Arc<Session>> {
        self.verified.get(id, self.verifier.keys(), self.clock.now())
    }

    fn verify<'a>(
        &'a self,
        id: TokenId,
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

impl<K: KeySource> TokenSessions<K> {
    /// Adds the checks of Clerk's report about an opaque token.
    async fn explain_opaque(&self, kind: TokenKind, token: &BearerToken, explanation: &mut Explanation) {
        let answer = match &self.opaque {
            Some(opaque) => opaque.fetch_report(kind, token).await,
            None => Err(TokenError::KindNotAccepted(kind).into()),
        };
        let report = match answer {
            Ok(report) => report,
            Err(error) => {
                explanation.add(Check::Active, Some(Err(error)));
                for check in [Check::Revoked, Check::Expiry, Check::Subject, Check::Audience] {
                    explanation.add(check, None::<Result<CheckPass, AuthError>>);
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
