//! Verifies a token: runs every check in order, from the token's text to [`VerifiedClaims`].

use std::sync::Arc;

use jsonwebtoken::{Algorithm, crypto};

use super::{
    bearer::BearerToken,
    check::Check,
    claims::VerifiedClaims,
    error::{TokenError, VerifyError},
    jose::UnverifiedJwt,
    jwk::{KeyReference, VerifyingKey},
    key_source::KeySource,
    kind::TokenKind,
    policy::TokenPolicy,
    presented::classify,
    recorder::{CheckPass, Recorder},
};
use crate::clock::Clock;

/// A verifier of the bearer tokens of one Clerk application.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use clerk_mcp::{clock::SystemClock, session::Session, token::*};
/// use local_clerk::LocalClerk;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let clerk = LocalClerk::builder().start().await?;
/// let policy = TokenPolicy {
///     issuer: clerk.issuer().to_owned(),
///     accepted: vec![TokenKind::SessionToken],
///     audience: AudiencePolicy::Required,
///     session_audience: AudiencePolicy::IfPresent,
///     resources: ResourceNames::new(&"https://mcp.example.com".parse()?),
///     accepted_audiences: Vec::new(),
///     authorized_parties: Vec::new(),
///     leeway: Duration::from_secs(5),
/// };
/// let key = StaticKey::from_pem(&clerk.signing_key().public_key_pem())?;
/// let verifier = TokenVerifier::new(key, policy, Arc::new(SystemClock));
///
/// let token = clerk.session_token("ada")?;
/// let session: Session = verifier.verify(&token.mint().parse()?).await?.into();
/// assert!(session.user_id.is_some());
/// let forged = token.header("alg", "none").unsigned().mint();
/// assert!(matches!(verifier.verify(&forged.parse()?).await, Err(VerifyError::Token(_))));
/// # Ok::<_, Box<dyn std::error::Error>>(()) })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TokenVerifier {
    pub(crate) keys: Box<dyn KeySource>,
    pub(crate) policy: TokenPolicy,
    pub(crate) clock: Arc<dyn Clock>,
}

impl TokenVerifier {
    /// Creates a verifier that takes keys from `keys` and checks tokens against `policy`.
    pub fn new(keys: impl KeySource, policy: TokenPolicy, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys: Box::new(keys),
            policy,
            clock,
        }
    }

    /// Verifies `token`: form, kind, header, key, signature, claims.
    ///
    /// # Errors
    /// [`VerifyError::Token`] if the token is invalid, [`VerifyError::Keys`] if no keys are available. The
    /// first becomes a 401, which makes the client sign in again; the second a 503. [`VerifyError::Opaque`]
    /// if the kind is accepted but only Clerk can verify the token.
    pub async fn verify(&self, token: &BearerToken) -> Result<VerifiedClaims, VerifyError> {
        self.check(token, &mut Recorder::stop_at_first_failure()).await
    }

    /// Runs the checks of a token, in the order of [`Check`]. Returns the claims if no check failed, else the
    /// first failure. `recorder` decides whether the remaining checks run after a failure.
    pub(crate) async fn check(
        &self,
        token: &BearerToken,
        recorder: &mut Recorder,
    ) -> Result<VerifiedClaims, VerifyError> {
        let classified = classify(token.expose()).map_err(Into::into);
        let (kind, jwt) = recorder.require(Check::Form, classified)?;
        recorder.kind = Some(kind);
        recorder.record(Check::Kind, self.check_kind(kind))?;
        let Some(jwt) = jwt else {
            // In `explain`, the check above does not return early. If it failed, return its error instead of
            // `Opaque`.
            recorder.finish()?;
            return Err(VerifyError::Opaque(kind));
        };
        jwt.check_header(kind, recorder)?;
        let key = match self.check_signature(&jwt, recorder).await {
            // A request stops here. `iss` and `sub` are checked before `exp`, and an expired token has its own
            // response: it would tell an attacker that `iss` and `sub` of a forged token are right.
            Err(error) if !recorder.records_all() => return Err(error),
            outcome => outcome,
        };
        VerifiedClaims::check(
            kind,
            jwt.into_claims(),
            key,
            &self.policy,
            self.clock.now(),
            recorder,
        )
    }

    fn check_kind(&self, kind: TokenKind) -> Result<CheckPass, TokenError> {
        if self.policy.accepted.contains(&kind) {
            return Ok(CheckPass::Passed);
        }
        Err(TokenError::KindNotAccepted(kind))
    }

    /// Finds the key, and checks the signature with it (RFC 7515 §5.2, RFC 7518 §3.3). Returns the key.
    async fn check_signature(
        &self,
        jwt: &UnverifiedJwt,
        recorder: &mut Recorder,
    ) -> Result<KeyReference, VerifyError> {
        // Fails only in `explain`. For a request, `check_header` has already returned this error.
        let kid = jwt
            .unverified_kid()
            .inspect_err(|_| recorder.not_reached(&[Check::Key, Check::Signature]))?;
        let found = match self.keys.keys(kid).await {
            Ok(keys) if keys.is_empty() => Err(TokenError::KeyIdUnknown.into()),
            found => found.map_err(VerifyError::from),
        };
        let keys = recorder
            .require(Check::Key, found)
            .inspect_err(|_| recorder.not_reached(&[Check::Signature]))?;
        let (signing_input, signature) = jwt.signed();
        // Every error of the backend means that this key did not make the signature.
        let made_signature = |key: &&VerifyingKey| {
            let outcome = crypto::verify(
                signature,
                signing_input.as_bytes(),
                key.decoding_key(),
                Algorithm::RS256,
            );
            matches!(outcome, Ok(true))
        };
        let key = keys.iter().find(made_signature).map(|key| key.reference(kid));
        recorder.require(Check::Signature, key.ok_or_else(|| TokenError::Signature.into()))
    }
}
