//! Parses the keys that may verify Clerk tokens: RSA keys of 2048 to 8192 bits, as JSON Web Keys (RFC 7517)
//! or PEM.

use std::{collections::HashMap, fmt, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};
use thiserror::Error;

use super::fetch::FetchError;
use crate::{digest, log_limit::log_limited};

/// A public RSA key that verifies tokens.
#[derive(Clone)]
pub struct VerifyingKey {
    key: Arc<DecodingKey>,
    thumbprint: [u8; 32],
}

/// Identifies the key that verified a token: its id, and a digest of the key, because an id can be reused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReference {
    pub(super) kid: String,
    pub(super) thumbprint: [u8; 32],
}

impl VerifyingKey {
    pub(super) fn decoding_key(&self) -> &DecodingKey {
        &self.key
    }

    pub(super) fn reference(&self, kid: &str) -> KeyReference {
        KeyReference {
            kid: kid.to_owned(),
            thumbprint: self.thumbprint,
        }
    }

    pub(super) fn matches(&self, reference: &KeyReference) -> bool {
        self.thumbprint == reference.thumbprint
    }

    fn from_components(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let modulus = without_leading_zeros(modulus);
        let exponent = without_leading_zeros(exponent);
        let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
        // RFC 7518 §3.3 requires at least 2048; the crypto backend supports at most 8192.
        if !(2048..=8192).contains(&bits) {
            return Err(KeyError::Size { bits });
        }
        if exponent.last().is_none_or(|byte| byte % 2 == 0) || exponent == [1] {
            return Err(KeyError::Exponent);
        }
        Ok(Self {
            key: Arc::new(DecodingKey::from_rsa_raw_components(modulus, exponent)),
            thumbprint: digest::sha256(&[exponent, modulus].concat()),
        })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey")
    }
}

/// One key for every `kid` (`CLERK_JWT_KEY`). No key is ever fetched.
#[derive(Debug, Clone)]
pub struct StaticKey(pub(super) VerifyingKey);

impl StaticKey {
    /// Parses a public key in PEM (`BEGIN PUBLIC KEY`), as Clerk Dashboard shows it under "JWKS Public Key".
    ///
    /// # Errors
    /// [`KeyError::Pem`], [`KeyError::NotRsa`], [`KeyError::Size`] or [`KeyError::Exponent`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Pem)?;
        let key = aws_lc_rs::rsa::PublicKey::from_der(&spki).map_err(|_| KeyError::NotRsa)?;
        VerifyingKey::from_components(
            key.modulus().big_endian_without_leading_zero(),
            key.exponent().big_endian_without_leading_zero(),
        )
        .map(Self)
    }
}

/// Why a key cannot be used.
///
/// ```
/// use clerk_mcp::token::{KeyError, StaticKey};
///
/// assert_eq!(StaticKey::from_pem("sk_test_0000").unwrap_err(), KeyError::Pem);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The text is not a public key in PEM.
    #[error("not a public key in PEM (BEGIN PUBLIC KEY)")]
    Pem,
    /// The key is not an RSA public key.
    #[error("not an RSA public key")]
    NotRsa,
    /// `kid` is missing.
    #[error("the key has no kid")]
    KeyId,
    /// The key is for encryption or another algorithm, or it has private parts.
    #[error("the key is not a public key for RS256 signatures: {0}")]
    Purpose(&'static str),
    /// A member of the key is not base64url.
    #[error("the key's {0} is not base64url")]
    Encoding(&'static str),
    /// The key is too small or too large.
    #[error("the RSA key has {bits} bits; expected 2048 to 8192")]
    Size {
        /// Length of the modulus.
        bits: usize,
    },
    /// The exponent is even or 1.
    #[error("the exponent of the key is not an odd number above 1")]
    Exponent,
}

/// Parses a key set into keys by id. An unusable key is skipped and logged, so that it does not affect the
/// others.
pub(super) fn parse_key_set(body: &[u8]) -> Result<HashMap<String, Vec<VerifyingKey>>, FetchError> {
    let set: Map<String, Value> = serde_json::from_slice(body).map_err(|_| FetchError::NotAKeySet)?;
    let keys = set
        .get("keys")
        .and_then(Value::as_array)
        .ok_or(FetchError::NotAKeySet)?;
    let mut usable: HashMap<String, Vec<VerifyingKey>> = HashMap::new();
    for key in keys {
        match parse_key(key) {
            Ok((kid, key)) => usable.entry(kid).or_default().push(key),
            Err(error) => {
                log_limited!(warn, "unusable-key", %error, "skipped an unusable key of Clerk's key set");
            }
        }
    }
    if usable.is_empty() {
        Err(FetchError::NoUsableKey)
    } else {
        Ok(usable)
    }
}

/// Parses one key (RFC 7517 §4, RFC 7518 §6.3.1). The members that state its purpose are optional, but must
/// match if present.
fn parse_key(key: &Value) -> Result<(String, VerifyingKey), KeyError> {
    let text = |name| key.get(name).and_then(Value::as_str);
    if text("kty") != Some("RSA") {
        return Err(KeyError::NotRsa);
    }
    if key.get("use").is_some_and(|purpose| purpose != "sig") {
        return Err(KeyError::Purpose("its use is not sig"));
    }
    if key.get("alg").is_some_and(|algorithm| algorithm != "RS256") {
        return Err(KeyError::Purpose("its alg is not RS256"));
    }
    let verifies = |operations: &Value| {
        operations
            .as_array()
            .is_some_and(|list| list.iter().any(|one| one == "verify"))
    };
    if key.get("key_ops").is_some_and(|operations| !verifies(operations)) {
        return Err(KeyError::Purpose("its key_ops do not include verify"));
    }
    if key.get("d").is_some() {
        return Err(KeyError::Purpose("it has private parts"));
    }
    let kid = text("kid").filter(|kid| !kid.is_empty()).ok_or(KeyError::KeyId)?;
    let number = |name| {
        text(name)
            .and_then(|value| BASE64_URL_SAFE_NO_PAD.decode(value).ok())
            .ok_or(KeyError::Encoding(name))
    };
    Ok((
        kid.to_owned(),
        VerifyingKey::from_components(&number("n")?, &number("e")?)?,
    ))
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    bytes.split_at(start).1
}
