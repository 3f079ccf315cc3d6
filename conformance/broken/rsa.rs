//! RSA public keys: parsing from JWK and PEM, and signature verification.

use std::sync::Arc;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
    signature::{
        RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    },
};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use num_bigint::BigUint;
use serde_json::Value;

use super::flaw::Flaw;

/// Smallest accepted modulus: 2048 bits (RFC 7518 §3.3).
const MIN_MODULUS_BYTES: usize = 256;

/// The algorithm identifier `rsaEncryption` (RFC 8017 appendix A.1).
const RSA_ENCRYPTION: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// A public key. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    modulus: Arc<[u8]>,
    exponent: Arc<[u8]>,
}

impl PublicKey {
    /// Creates a key, unless the modulus is shorter than `min_bytes`.
    fn new(modulus: &[u8], exponent: &[u8], min_bytes: usize) -> Option<Self> {
        (modulus.len() >= min_bytes).then(|| Self {
            modulus: modulus.into(),
            exponent: exponent.into(),
        })
    }

    /// Parses a key for RS256 signatures and returns it with its id (RFC 7517 §4).
    pub(crate) fn from_jwk(jwk: &Value, flaw: Option<Flaw>) -> Option<(String, Self)> {
        let text = |name| jwk.get(name).and_then(Value::as_str);
        let verifies = |operations: &Value| {
            let operations = operations.as_array();
            operations.is_some_and(|list| list.iter().any(|one| one == "verify"))
        };
        let for_signatures =
            jwk.get("use").is_none_or(|purpose| purpose == "sig") && jwk.get("key_ops").is_none_or(verifies);
        let algorithm_matches = match text("alg") {
            Some(algorithm) if flaw == Some(Flaw::KeyAlgorithmPrefix) => algorithm.starts_with("RS"),
            _ => jwk.get("alg").is_none_or(|algorithm| algorithm == "RS256"),
        };
        let usable = (text("kty") == Some("RSA") || flaw == Some(Flaw::KeyTypeIgnored))
            && (for_signatures || flaw == Some(Flaw::KeyUseIgnored))
            && (algorithm_matches || flaw == Some(Flaw::KeyAlgorithmIgnored))
            && jwk.get("d").is_none();
        let number = |name| BASE64_URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if !usable {
            return None;
        }
        let kid = text("kid").unwrap_or_default().to_owned();
        let min_bytes = if flaw == Some(Flaw::SmallKeysAccepted) {
            1
        } else {
            MIN_MODULUS_BYTES
        };
        let exponent = number("e")?;
        if exponent == [1] && flaw != Some(Flaw::ExponentOneAccepted) {
            return None;
        }
        Some((kid, Self::new(&number("n")?, &exponent, min_bytes)?))
    }

    /// Parses a PEM `PUBLIC KEY`, which holds a `SubjectPublicKeyInfo` (RFC 5280 §4.1).
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
            MIN_MODULUS_BYTES,
        )
    }

    /// Returns the key of a certificate in base64, whose issuer is not checked. Only a flaw uses it.
    pub(crate) fn from_certificate(base64: &str) -> Option<Self> {
        let der = BASE64_STANDARD.decode(base64).ok()?;
        let mut starts = der.windows(RSA_ENCRYPTION.len());
        // The `SubjectPublicKeyInfo` begins four bytes before the algorithm, with a length of two bytes.
        let start = starts
            .position(|window| window == RSA_ENCRYPTION)?
            .checked_sub(4)?;
        let key = der.get(start..)?;
        let length = usize::from(*key.get(2)?) * 256 + usize::from(*key.get(3)?);
        let key = aws_lc_rs::rsa::PublicKey::from_der(key.get(..length + 4)?).ok()?;
        Self::new(
            key.modulus().big_endian_without_leading_zero(),
            key.exponent().big_endian_without_leading_zero(),
            MIN_MODULUS_BYTES,
        )
    }

    /// Verifies an RS256 signature (RSASSA-PKCS1-v1_5 with SHA-256, RFC 7518 §3.3).
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifies_as("RS256", message, signature)
    }

    /// Returns whether the decrypted signature contains the SHA-256 of the message anywhere. Only a flaw uses
    /// it.
    pub(crate) fn finds_hash(&self, message: &[u8], signature: &[u8]) -> bool {
        let hash = digest(&SHA256, message);
        let decrypted = self.decrypt(signature);
        decrypted.windows(32).any(|window| window == hash.as_ref())
    }

    /// Applies the public key to a signature (RFC 8017 §5.2.2).
    fn decrypt(&self, signature: &[u8]) -> Vec<u8> {
        let number = BigUint::from_bytes_be;
        number(signature)
            .modpow(&number(&self.exponent), &number(&self.modulus))
            .to_bytes_be()
    }

    /// Verifies a signature with the algorithm that the header names. Unknown names count as RS256.
    pub(crate) fn verifies_as(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let parameters = match algorithm {
            "RS384" => &RSA_PKCS1_2048_8192_SHA384,
            "PS256" => &RSA_PSS_2048_8192_SHA256,
            // Only a flaw accepts such a key.
            _ if self.modulus.len() < MIN_MODULUS_BYTES => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            _ => &RSA_PKCS1_2048_8192_SHA256,
        };
        if *self.exponent == [1] {
            // The library rejects this exponent, which makes the signature equal to the encoded message. Only
            // a flaw keeps such a key.
            return self.finds_hash(message, signature);
        }
        RsaPublicKeyComponents {
            n: self.modulus.as_ref(),
            e: self.exponent.as_ref(),
        }
        .verify(parameters, message, signature)
        .is_ok()
    }

    /// Encodes the key as PEM with lines of 64 characters. The algorithm confusion of RFC 8725 §2.1 uses this
    /// text as the HMAC secret.
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

    /// Encodes the key as a `SubjectPublicKeyInfo`.
    fn der(&self) -> Vec<u8> {
        // Without the leading zero, DER would read the modulus as a negative number.
        let modulus = der_element(0x02, &[&[0], self.modulus.as_ref()].concat());
        let exponent = der_element(0x02, self.exponent.as_ref());
        let key = der_element(0x30, &[modulus, exponent].concat());
        let bits = der_element(0x03, &[&[0], key.as_slice()].concat());
        der_element(0x30, &[RSA_ENCRYPTION.as_slice(), bits.as_slice()].concat())
    }
}

/// Encodes a DER element.
fn der_element(tag: u8, content: &[u8]) -> Vec<u8> {
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

/// Verifies an HMAC with SHA-256.
pub(crate) fn hmac_verifies(secret: &[u8], message: &[u8], signature: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, signature).is_ok()
}
