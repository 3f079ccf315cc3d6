//! [`SigningKey`]: the RSA keys that sign tokens.

use std::{fmt, sync::Arc};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256,
        RsaKeyPair, UnparsedPublicKey,
    },
};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};

/// A signature algorithm for RSA keys (RFC 7518 §3.3, §3.5). Clerk uses RS256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

/// An RSA key of 2048 bits and its key id.
///
/// Cheap to clone; clones share the key. The private key cannot be read, and [`Debug`](fmt::Debug) shows only
/// the key id.
#[derive(Clone)]
pub struct SigningKey {
    kid: Arc<str>,
    pair: Arc<RsaKeyPair>,
}

impl SigningKey {
    /// Generates a key with the key id `kid`. At Clerk the key id is the instance id (`ins_…`).
    ///
    /// This takes tens of milliseconds, so tests should generate one key per process and share it.
    pub fn generate(kid: impl Into<String>) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "2048 bits are supported, and nothing works without a random source"
        )]
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key of 2048 bits can be generated");
        Self {
            kid: kid.into().into(),
            pair: Arc::new(pair),
        }
    }

    /// Returns the same key with another key id, for a wrong `kid` or for a second instance without
    /// generating a key.
    #[must_use]
    pub fn with_kid(&self, kid: impl Into<String>) -> Self {
        Self {
            kid: kid.into().into(),
            pair: Arc::clone(&self.pair),
        }
    }

    /// Returns the key id, the `kid` of tokens signed with this key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the public key as a JSON Web Key (RFC 7517 §4, RFC 7518 §6.3.1), with the members Clerk
    /// publishes.
    pub fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        json!({
            "use": "sig",
            "kty": "RSA",
            "kid": self.kid(),
            "alg": "RS256",
            "n": BASE64_URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": BASE64_URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    /// Returns the public key as PEM (`SubjectPublicKeyInfo`, RFC 5280 §4.1), like the "JWKS Public Key" in
    /// the Clerk Dashboard.
    pub fn public_key_pem(&self) -> String {
        let body = BASE64_STANDARD.encode(self.public_key_der());
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for (position, character) in body.chars().enumerate() {
            if position > 0 && position % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push_str("\n-----END PUBLIC KEY-----\n");
        pem
    }

    /// Returns the public key as DER.
    pub(crate) fn public_key_der(&self) -> Vec<u8> {
        #[expect(clippy::expect_used, reason = "a generated key can always be encoded")]
        let der: PublicKeyX509Der<'_> = self
            .pair
            .public_key()
            .as_der()
            .expect("a public key can be encoded");
        der.as_ref().to_vec()
    }

    /// Signs `message`.
    pub(crate) fn sign(&self, algorithm: RsaAlgorithm, message: &[u8]) -> Vec<u8> {
        let encoding = match algorithm {
            RsaAlgorithm::Rs256 => &RSA_PKCS1_SHA256,
            RsaAlgorithm::Rs384 => &RSA_PKCS1_SHA384,
            RsaAlgorithm::Ps256 => &RSA_PSS_SHA256,
        };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        #[expect(
            clippy::expect_used,
            reason = "cannot fail for a generated key and a buffer of the modulus' length"
        )]
        self.pair
            .sign(encoding, &SystemRandom::new(), message, &mut signature)
            .expect("an RSA key signs");
        signature
    }

    /// Returns whether `signature` is this key's RS256 signature over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public_key().as_ref())
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
