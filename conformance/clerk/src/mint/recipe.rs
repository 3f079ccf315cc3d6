//! [`Recipe`]: building a valid or invalid JWT in code.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::Value;

use super::{RsaAlgorithm, RsaDefect, SigningKey, small_key};

/// A token to be minted: JOSE header, claims and signature, each of which may be invalid.
///
/// Nothing is validated, and no part affects another: signing with another key does not change `kid`, and
/// changing `alg` does not change the signature algorithm. Members keep the order in which they were first
/// set.
///
/// ```
/// use local_clerk::mint::{Recipe, SigningKey};
///
/// let key = SigningKey::generate("ins_example");
/// let token = Recipe::new()
///     .header("alg", "RS256")
///     .header("kid", key.kid())
///     .claim("sub", "user_example")
///     .claim("exp", 2_000_000_000)
///     .signed_by(&key)
///     .mint();
/// assert_eq!(token.split('.').count(), 3);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    header: TokenPart,
    claims: TokenPart,
    signature: SignatureSource,
}

impl Recipe {
    /// Creates a recipe with an empty header, empty claims and an empty signature.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a member of the JOSE header. An existing member keeps its position.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.set(name, value.into());
        self
    }

    /// Removes a member of the JOSE header.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Sets a claim. An existing claim keeps its position.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.set(name, value.into());
        self
    }

    /// Removes a claim.
    #[must_use]
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Replaces the whole text of the JOSE header, for example by duplicate members, an array or invalid
    /// JSON.
    #[must_use]
    pub fn raw_header(mut self, text: impl Into<String>) -> Self {
        self.header.raw = Some(text.into());
        self
    }

    /// Replaces the whole text of the claims, for example by duplicate members, an array or invalid JSON.
    #[must_use]
    pub fn raw_claims(mut self, text: impl Into<String>) -> Self {
        self.claims.raw = Some(text.into());
        self
    }

    /// Signs with `key`, using RSASSA-PKCS1-v1_5 with SHA-256. The header does not change.
    #[must_use]
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        self.signature = SignatureSource::Key(key.clone(), RsaAlgorithm::Rs256);
        self
    }

    /// Signs with `key`, using this algorithm. The header does not change.
    #[must_use]
    pub fn signed_as(mut self, key: &SigningKey, algorithm: RsaAlgorithm) -> Self {
        self.signature = SignatureSource::Key(key.clone(), algorithm);
        self
    }

    /// Signs with `key`, using RSASSA-PKCS1-v1_5 with SHA-256 and a defect. The header does not change.
    #[must_use]
    pub fn signed_with_defect(mut self, key: &SigningKey, defect: RsaDefect) -> Self {
        self.signature = SignatureSource::Defective(key.clone(), defect);
        self
    }

    /// Signs with an RSA key of 1024 bits (RFC 7518 §3.3 requires 2048). The header does not change.
    #[must_use]
    pub fn signed_by_small_key(mut self) -> Self {
        self.signature = SignatureSource::SmallKey;
        self
    }

    /// Signs with HMAC and SHA-256. With a public key as the secret and `alg` set to `HS256`, this is the
    /// algorithm confusion attack of RFC 8725 §2.1.
    #[must_use]
    pub fn signed_with_secret(mut self, secret: &[u8]) -> Self {
        self.signature = SignatureSource::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)));
        self
    }

    /// Leaves the signature empty, as with `alg: none` (RFC 7515 appendix A.5). The header does not change.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.signature = SignatureSource::Empty;
        self
    }

    /// Uses these bytes as the signature.
    #[must_use]
    pub fn signature(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.signature = SignatureSource::Bytes(bytes.into());
        self
    }

    /// Returns the value of a claim; `None` if it is not set or [`raw_claims`](Self::raw_claims) replaced the
    /// claims.
    pub fn claim_value(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// Returns the JOSE header as the text that will be encoded.
    pub fn header_json(&self) -> String {
        self.header.to_json()
    }

    /// Returns the claims as the text that will be encoded.
    pub fn claims_json(&self) -> String {
        self.claims.to_json()
    }

    /// Mints the token in compact serialization.
    pub fn mint(&self) -> String {
        let mut token = BASE64_URL_SAFE_NO_PAD.encode(self.header.to_json());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(self.claims.to_json(), &mut token);
        let signature = self.signature.sign(token.as_bytes());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

/// The header or the claims: a JSON object with ordered members, or a text that replaces it.
#[derive(Clone, Debug, Default)]
struct TokenPart {
    members: Vec<(String, Value)>,
    raw: Option<String>,
}

impl TokenPart {
    fn get(&self, name: &str) -> Option<&Value> {
        if self.raw.is_some() {
            return None;
        }
        self.members
            .iter()
            .find(|(existing, _)| existing == name)
            .map(|(_, value)| value)
    }

    fn set(&mut self, name: &str, value: Value) {
        match self.members.iter_mut().find(|(existing, _)| existing == name) {
            Some((_, existing)) => *existing = value,
            None => self.members.push((name.to_owned(), value)),
        }
    }

    fn remove(&mut self, name: &str) {
        self.members.retain(|(existing, _)| existing != name);
    }

    fn to_json(&self) -> String {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut json = String::from("{");
        for (position, (name, value)) in self.members.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            // Writing to a String cannot fail. `Value` encodes the name as a JSON string.
            let _ = write!(json, "{comma}{}:{value}", Value::from(name.as_str()));
        }
        json.push('}');
        json
    }
}

/// How the signature is made.
#[derive(Clone, Debug, Default)]
enum SignatureSource {
    #[default]
    Empty,
    Key(SigningKey, RsaAlgorithm),
    Defective(SigningKey, RsaDefect),
    SmallKey,
    Hmac(Box<hmac::Key>),
    Bytes(Vec<u8>),
}

impl SignatureSource {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Empty => Vec::new(),
            Self::Key(key, algorithm) => key.sign(*algorithm, message),
            Self::Defective(key, defect) => key.sign_with_defect(*defect, message),
            Self::SmallKey => small_key::sign(message),
            Self::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::Bytes(bytes) => bytes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(token: &str, index: usize) -> String {
        let encoded = token.split('.').nth(index).unwrap();
        String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
    }

    #[test]
    fn members_keep_their_order_and_are_replaced_in_place() {
        let token = Recipe::new()
            .header("typ", "JWT")
            .header("alg", "none")
            .claim("b", 1)
            .claim("a", "\"quoted\"")
            .claim("c", true)
            .claim("b", Value::Null)
            .without_claim("c")
            .mint();
        assert_eq!(part(&token, 0), r#"{"typ":"JWT","alg":"none"}"#);
        assert_eq!(part(&token, 1), r#"{"b":null,"a":"\"quoted\""}"#);
        assert_eq!(part(&token, 2), "");
    }

    #[test]
    fn raw_parts_are_encoded_verbatim() {
        let token = Recipe::new()
            .header("alg", "RS256")
            .raw_header("[]")
            .raw_claims(r#"{"sub":1,"sub":2}"#)
            .signature(*b"damage")
            .mint();
        assert_eq!(part(&token, 0), "[]");
        assert_eq!(part(&token, 1), r#"{"sub":1,"sub":2}"#);
        assert_eq!(part(&token, 2), "damage");
    }

    #[test]
    fn debug_output_contains_no_keys_or_secrets() {
        let key = SigningKey::generate("ins_debug");
        let shown = format!("{:?}", Recipe::new().signed_by(&key));
        assert!(
            shown.contains(r#"SigningKey { kid: "ins_debug", .. }"#),
            "{shown}"
        );
        let shown = format!("{:?}", Recipe::new().signed_with_secret(b"a secret"));
        assert!(!shown.contains("a secret"), "{shown}");
    }
}
