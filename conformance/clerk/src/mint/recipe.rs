use std::fmt::Write as _;

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::Value;

use super::{RsaAlgorithm, SigningKey, small_key};

/// How to make one token: JOSE header, claims and signature, each of which may be wrong.
///
/// Nothing is checked and nothing follows from anything else: signing with another key leaves `kid` alone, and
/// changing `alg` does not change how the token is signed. Members keep the order they were first set in.
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
    header: Part,
    claims: Part,
    signer: Signer,
}

impl Recipe {
    /// An empty header, empty claims, unsigned.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a member of the JOSE header, in place when it is there already.
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

    /// Sets a claim, in place when it is there already.
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

    /// Replaces the whole text of the JOSE header: duplicate members, an array, no JSON at all.
    #[must_use]
    pub fn raw_header(mut self, text: impl Into<String>) -> Self {
        self.header.raw = Some(text.into());
        self
    }

    /// Replaces the whole text of the claims: duplicate members, an array, no JSON at all.
    #[must_use]
    pub fn raw_claims(mut self, text: impl Into<String>) -> Self {
        self.claims.raw = Some(text.into());
        self
    }

    /// Signs with `key`, RSASSA-PKCS1-v1_5 and SHA-256. The header stays as it is.
    #[must_use]
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        self.signer = Signer::Key(key.clone(), RsaAlgorithm::Rs256);
        self
    }

    /// Signs with `key` by this algorithm. The header stays as it is.
    #[must_use]
    pub fn signed_as(mut self, key: &SigningKey, algorithm: RsaAlgorithm) -> Self {
        self.signer = Signer::Key(key.clone(), algorithm);
        self
    }

    /// Signs with an RSA key of 1024 bits (RFC 7518 §3.3 asks for 2048). The header stays as it is.
    #[must_use]
    pub fn signed_by_small_key(mut self) -> Self {
        self.signer = Signer::SmallKey;
        self
    }

    /// Signs with HMAC and SHA-256. With a public key as the secret, and `alg` set to `HS256`, this is the algorithm
    /// confusion of RFC 8725 §2.1.
    #[must_use]
    pub fn signed_with_secret(mut self, secret: &[u8]) -> Self {
        self.signer = Signer::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)));
        self
    }

    /// Leaves the signature empty, as `alg: none` does (RFC 7515 appendix A.5). The header stays as it is.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.signer = Signer::Nobody;
        self
    }

    /// Uses these bytes as the signature.
    #[must_use]
    pub fn signature(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.signer = Signer::Given(bytes.into());
        self
    }

    /// The value of a claim set so far. `None` once [`raw_claims`](Self::raw_claims) has replaced them.
    pub fn claim_value(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// The JOSE header as JSON text, as it will be encoded.
    pub fn header_json(&self) -> String {
        self.header.to_json()
    }

    /// The claims as JSON text, as they will be encoded.
    pub fn claims_json(&self) -> String {
        self.claims.to_json()
    }

    /// The token in compact serialization.
    pub fn mint(&self) -> String {
        let mut token = BASE64_URL_SAFE_NO_PAD.encode(self.header.to_json());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(self.claims.to_json(), &mut token);
        let signature = self.signer.sign(token.as_bytes());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

/// A JSON object with its members in the order they were set, or a text in its place.
#[derive(Clone, Debug, Default)]
struct Part {
    members: Vec<(String, Value)>,
    raw: Option<String>,
}

impl Part {
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
            // Writing to a String cannot fail, and a JSON string is what `Value` makes of the name.
            let _ = write!(json, "{comma}{}:{value}", Value::from(name.as_str()));
        }
        json.push('}');
        json
    }
}

#[derive(Clone, Debug, Default)]
enum Signer {
    #[default]
    Nobody,
    Key(SigningKey, RsaAlgorithm),
    SmallKey,
    Secret(Box<hmac::Key>),
    Given(Vec<u8>),
}

impl Signer {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Nobody => Vec::new(),
            Self::Key(key, algorithm) => key.sign(*algorithm, message),
            Self::SmallKey => small_key::sign(message),
            Self::Secret(secret) => hmac::sign(secret, message).as_ref().to_vec(),
            Self::Given(bytes) => bytes.clone(),
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
    fn raw_parts_are_taken_verbatim() {
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
    fn debug_shows_no_private_material() {
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
