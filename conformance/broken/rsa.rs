//! RSA public keys: from JWK and PEM, and signatures by them.

use std::sync::Arc;

use aws_lc_rs::{
    hmac,
    signature::{
        RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    },
};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::Value;

use super::flaw::Flaw;

/// 2048 bits (RFC 7518 §3.3).
const LEAST_BYTES: usize = 256;

/// A public key. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    modulus: Arc<[u8]>,
    exponent: Arc<[u8]>,
}

impl PublicKey {
    fn new(modulus: &[u8], exponent: &[u8], least: usize) -> Option<Self> {
        (modulus.len() >= least).then(|| Self {
            modulus: modulus.into(),
            exponent: exponent.into(),
        })
    }

    /// A key for RS256 signatures, and its id (RFC 7517 §4).
    pub(crate) fn from_jwk(jwk: &Value, flaw: Option<Flaw>) -> Option<(String, Self)> {
        let text = |name| jwk.get(name).and_then(Value::as_str);
        let verifies = |operations: &Value| {
            let operations = operations.as_array();
            operations.is_some_and(|list| list.iter().any(|one| one == "verify"))
        };
        let for_signatures =
            jwk.get("use").is_none_or(|purpose| purpose == "sig") && jwk.get("key_ops").is_none_or(verifies);
        let right_algorithm = jwk.get("alg").is_none_or(|algorithm| algorithm == "RS256");
        let fits = (text("kty") == Some("RSA") || flaw == Some(Flaw::KeyTypeIgnored))
            && (for_signatures || flaw == Some(Flaw::KeyUseIgnored))
            && (right_algorithm || flaw == Some(Flaw::KeyAlgorithmIgnored))
            && jwk.get("d").is_none();
        let number = |name| BASE64_URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if !fits {
            return None;
        }
        let kid = text("kid").unwrap_or_default().to_owned();
        let least = if flaw == Some(Flaw::SmallKeysAccepted) {
            1
        } else {
            LEAST_BYTES
        };
        Some((kid, Self::new(&number("n")?, &number("e")?, least)?))
    }

    /// `BEGIN PUBLIC KEY`: a `SubjectPublicKeyInfo` (RFC 5280 §4.1).
    pub(crate) fn from_pem(pem: &str) -> Option<Self> {
        let (_, rest) = pem.split_once("-----BEGIN PUBLIC KEY-----")?;
        let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
        let der = BASE64_STANDARD
            .decode(body.split_whitespace().collect::<String>())
            .ok()?;
        let key = aws_lc_rs::rsa::PublicKey::from_der(&der).ok()?;
        Self::new(
            key.modulus().big_endian_without_leading_zero(),
            key.exponent().big_endian_without_leading_zero(),
            LEAST_BYTES,
        )
    }

    /// Whether this is an RSASSA-PKCS1-v1_5 signature with SHA-256 over `message` (RFC 7518 §3.3).
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifies_as("RS256", message, signature)
    }

    /// The same by the algorithm that a header names.
    pub(crate) fn verifies_as(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let parameters = match algorithm {
            "RS384" => &RSA_PKCS1_2048_8192_SHA384,
            "PS256" => &RSA_PSS_2048_8192_SHA256,
            // Only by a flaw is there such a key.
            _ if self.modulus.len() < LEAST_BYTES => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            _ => &RSA_PKCS1_2048_8192_SHA256,
        };
        RsaPublicKeyComponents {
            n: self.modulus.as_ref(),
            e: self.exponent.as_ref(),
        }
        .verify(parameters, message, signature)
        .is_ok()
    }

    /// The key in PEM, in lines of 64 characters, as the confusion of RFC 8725 §2.1 needs it.
    pub(crate) fn pem(&self) -> String {
        let body = BASE64_STANDARD.encode(self.der());
        let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
        for (position, character) in body.chars().enumerate() {
            if position > 0 && position % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem + "\n-----END PUBLIC KEY-----\n"
    }

    fn der(&self) -> Vec<u8> {
        const RSA_ENCRYPTION: [u8; 15] = [
            0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
        ];
        // A leading zero keeps the modulus positive.
        let modulus = element(0x02, &[&[0], self.modulus.as_ref()].concat());
        let exponent = element(0x02, self.exponent.as_ref());
        let key = element(0x30, &[modulus, exponent].concat());
        let bits = element(0x03, &[&[0], key.as_slice()].concat());
        element(0x30, &[RSA_ENCRYPTION.as_slice(), bits.as_slice()].concat())
    }
}

/// Tag, length and content in DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut element = vec![tag];
    if let ([short], true) = (length.as_slice(), content.len() < 128) {
        element.push(*short);
    } else {
        element.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
        element.extend(length);
    }
    element.extend(content);
    element
}

/// Whether this is an HMAC with SHA-256 over `message`.
pub(crate) fn hmac_verifies(secret: &[u8], message: &[u8], signature: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, signature).is_ok()
}
