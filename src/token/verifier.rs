//! One token in, [`VerifiedClaims`] out: the arrows of this module, in order.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, crypto};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    bearer::BearerToken,
    check::{Check, Pass},
    claims::VerifiedClaims,
    error::TokenError,
    jose::{HEADER_RULES, UnverifiedJwt, unverified_members},
    jwk::VerifyingKey,
    keys::{KeyLookupError, KeySource},
    kind::TokenKind,
    policy::TokenPolicy,
    presented::Presented,
    rules::{CLAIM_RULES, ClaimCheck},
};
use crate::clock::Clock;

/// Verifies bearer tokens of one Clerk application.
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

    /// Looks at all of `token`, as [`verify`](Self::verify) does, and goes on where that stops.
    pub(crate) async fn examine(&self, token: &BearerToken) -> Examination {
        let mut examination = Examination::default();
        let presented = match Presented::classify(token.expose()) {
            Ok(presented) => presented,
            Err(error) => {
                examination.checks.push((Check::Form, Some(Err(error.into()))));
                (examination.header, examination.claims) = unverified_members(token.expose()).unzip();
                return examination;
            }
        };
        examination.checks.push((Check::Form, HELD));
        let kind = match &presented {
            Presented::Jwt(kind, _) | Presented::Opaque(kind) => *kind,
        };
        examination.kind = Some(kind);
        examination.checks.push((
            Check::Kind,
            Some(if self.policy.accepted.contains(&kind) {
                Ok(Pass::Held)
            } else {
                Err(TokenError::KindNotAccepted(kind).into())
            }),
        ));
        let Presented::Jwt(_, jwt) = presented else {
            return examination;
        };
        for (check, rule) in HEADER_RULES {
            let outcome = rule(&jwt, kind).map(|()| Pass::Held);
            examination
                .checks
                .push((check, Some(outcome.map_err(Into::into))));
        }
        let (key, signature) = self.examine_signature(&jwt).await;
        examination
            .checks
            .extend([(Check::Key, key), (Check::Signature, signature)]);
        let (header, claims) = jwt.members();
        let claim_check = ClaimCheck {
            kind,
            claims,
            policy: &self.policy,
            now: self.clock.now(),
        };
        for (check, rule) in CLAIM_RULES {
            examination
                .checks
                .push((check, Some(rule(&claim_check).map_err(Into::into))));
        }
        examination.header = Some(header.clone());
        examination.claims = Some(claims.clone());
        examination
    }

    /// What becomes of the key and, when there is one, of the signature.
    async fn examine_signature(&self, jwt: &UnverifiedJwt) -> (Option<CheckOutcome>, Option<CheckOutcome>) {
        let Ok(kid) = jwt.kid() else {
            return (None, None);
        };
        match self.keys.key(kid).await {
            Ok(Some(key)) => {
                let (signing_input, signature) = jwt.signed();
                let outcome = check_signature(&key, signing_input, signature);
                (HELD, Some(outcome.map(|()| Pass::Held).map_err(Into::into)))
            }
            Ok(None) => (Some(Err(TokenError::KeyIdUnknown.into())), None),
            Err(error) => (Some(Err(error.into())), None),
        }
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

/// What came of a check.
pub(crate) type CheckOutcome = Result<Pass, VerifyError>;

/// What a token is and says, and what comes of each check; nothing for a check that could not be made.
#[derive(Debug, Default)]
pub(crate) struct Examination {
    pub(crate) kind: Option<TokenKind>,
    pub(crate) header: Option<Map<String, Value>>,
    pub(crate) claims: Option<Map<String, Value>>,
    pub(crate) checks: Vec<(Check, Option<CheckOutcome>)>,
}

const HELD: Option<CheckOutcome> = Some(Ok(Pass::Held));

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
