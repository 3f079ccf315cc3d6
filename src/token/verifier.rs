//! One token in, [`VerifiedClaims`] out: the arrows of this module, in order.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, crypto};
use thiserror::Error;

use super::{
    bearer::BearerToken,
    claims::{TokenPolicy, VerifiedClaims},
    error::TokenError,
    jwk::VerifyingKey,
    keys::{KeyLookupError, KeySource},
    kind::{Presented, TokenKind},
};
use crate::clock::Clock;

/// Verifies bearer tokens of one Clerk application.
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use clerk_mcp::{clock::SystemClock, session::Session, token::*};
/// use clerk_mcp_conformance::clerk::LocalClerk;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let clerk = LocalClerk::builder().start().await?;
/// let policy = TokenPolicy {
///     issuer: clerk.issuer().to_owned(),
///     accepted: vec![TokenKind::SessionToken],
///     audience: AudiencePolicy::Required,
///     resources: ResourceNames::new(&"https://mcp.example.com".parse()?),
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
pub struct TokenVerifier<K> {
    keys: K,
    policy: TokenPolicy,
    clock: Arc<dyn Clock>,
}

impl<K: KeySource> TokenVerifier<K> {
    /// A verifier that takes keys from `keys` and holds tokens to `policy`.
    pub fn new(keys: K, policy: TokenPolicy, clock: Arc<dyn Clock>) -> Self {
        Self { keys, policy, clock }
    }

    /// Verifies `token`: kind, header, key, signature, claims.
    ///
    /// # Errors
    /// [`VerifyError::Token`] when the token is at fault, [`VerifyError::Keys`] when we or Clerk are; the
    /// difference decides between 401 and 503, and so whether a client starts a sign-in. [`VerifyError::Opaque`] for an
    /// accepted token that only Clerk can verify.
    pub async fn verify(&self, token: &BearerToken) -> Result<VerifiedClaims, VerifyError> {
        let (kind, jwt) = match Presented::classify(token.expose())? {
            Presented::Jwt(kind, jwt) => (kind, Some(jwt)),
            Presented::Opaque(kind) => (kind, None),
        };
        if !self.policy.accepted.contains(&kind) {
            return Err(TokenError::KindNotAccepted(kind).into());
        }
        let Some(jwt) = jwt else {
            return Err(VerifyError::Opaque(kind));
        };
        let kid = jwt.unverified_kid(kind)?;
        let key = self.keys.key(kid).await?.ok_or(TokenError::KeyIdUnknown)?;
        let (signing_input, signature) = jwt.signed();
        check_signature(&key, signing_input, signature)?;
        let key = key.reference(kid);
        Ok(VerifiedClaims::check(
            kind,
            jwt.into_claims(),
            key,
            &self.policy,
            self.clock.now(),
        )?)
    }

    /// What tokens are held to.
    pub fn policy(&self) -> &TokenPolicy {
        &self.policy
    }

    /// The keys that tokens are verified with.
    pub fn keys(&self) -> &K {
        &self.keys
    }
}

/// RFC 7515 §5.2, RFC 7518 §3.3. Any failure in there means that the signature does not match this key.
fn check_signature(key: &VerifyingKey, signing_input: &str, signature: &str) -> Result<(), TokenError> {
    match crypto::verify(
        signature,
        signing_input.as_bytes(),
        key.decoding_key(),
        Algorithm::RS256,
    ) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(TokenError::Signature),
    }
}

/// Why a token was not verified: whether to ask for another one, to ask Clerk, or to come again.
///
/// ```
/// # use clerk_mcp::token::{BearerToken, StaticKey, TokenError, TokenVerifier, VerifiedClaims, VerifyError};
/// async fn user(verifier: &TokenVerifier<StaticKey>, token: &BearerToken) -> Result<String, &'static str> {
///     match verifier.verify(token).await {
///         Ok(claims) => Ok(VerifiedClaims::subject(&claims).to_owned()),
///         Err(VerifyError::Token(TokenError::Expired { .. })) => Err("refresh it"),
///         Err(VerifyError::Token(_)) => Err("sign in again"),
///         Err(VerifyError::Opaque(_)) => Err("only Clerk knows"),
///         Err(VerifyError::Keys(_)) => Err("not your fault; come again in a moment"),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The token is at fault.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Only Clerk can say what this token is.
    #[error("an opaque token ({0})")]
    Opaque(TokenKind),
    /// The keys can't be had, so nothing can be said of the token.
    #[error(transparent)]
    Keys(#[from] KeyLookupError),
}
