//! [`SigningKey`]: the RSA keys that sign tokens.

use std::{fmt, sync::Arc};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256,
        RsaKeyPair, UnparsedPublicKey,
    },
};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use num_bigint::BigUint;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::RsaDefect;

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

    /// Returns a certificate of the key that the key itself signed, as in the header parameter `x5c` (RFC 7515
    /// §4.1.6).
    pub(crate) fn self_signed_certificate(&self) -> Option<String> {
        let der: Pkcs8V1Der<'_> = self.pair.as_der().ok()?;
        let key = PrivatePkcs8KeyDer::from(der.as_ref());
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_RSA_SHA256).ok()?;
        let certificate = CertificateParams::default().self_signed(&pair).ok()?;
        Some(BASE64_STANDARD.encode(certificate.der()))
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

    /// Signs `message` with RS256 and a defect.
    pub(crate) fn sign_with_defect(&self, defect: RsaDefect, message: &[u8]) -> Vec<u8> {
        let modulus = self.pair.public_key().modulus();
        let modulus = BigUint::from_bytes_be(modulus.big_endian_without_leading_zero());
        defect.sign(message, &modulus, &self.private_exponent())
    }

    /// Reads the private exponent from the key's encoding in PKCS #8 (RFC 5208 §5, RFC 8017 §A.1.2).
    fn private_exponent(&self) -> BigUint {
        #[expect(clippy::expect_used, reason = "a generated key can always be encoded")]
        let der: Pkcs8V1Der<'_> = self.pair.as_der().expect("a private key can be encoded");
        let info = der_elements(contents_of(der.as_ref()));
        // Version, algorithm, and the key in an OCTET STRING.
        let key = info.get(2).copied().unwrap_or_default();
        let members = der_elements(contents_of(key));
        // Version, modulus, public exponent, private exponent.
        BigUint::from_bytes_be(members.get(3).copied().unwrap_or_default())
    }

    /// Returns whether `signature` is this key's RS256 signature over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public_key().as_ref())
            .verify(message, signature)
            .is_ok()
    }
}

/// Returns the contents of the DER element that `der` is.
fn contents_of(der: &[u8]) -> &[u8] {
    der_elements(der).first().copied().unwrap_or_default()
}

/// Returns the contents of each of the DER elements in `der`.
fn der_elements(mut der: &[u8]) -> Vec<&[u8]> {
    let mut elements = Vec::new();
    while let [_tag, length, rest @ ..] = der {
        let (length, rest) = match length {
            0x80.. => {
                let (length, rest) = rest.split_at(usize::from(length & 0x7f).min(rest.len()));
                (
                    length
                        .iter()
                        .fold(0, |length, byte| length << 8 | usize::from(*byte)),
                    rest,
                )
            }
            _ => (usize::from(*length), rest),
        };
        let (contents, rest) = rest.split_at(length.min(rest.len()));
        elements.push(contents);
        der = rest;
    }
    elements
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
