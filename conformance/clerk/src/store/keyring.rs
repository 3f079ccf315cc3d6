//! The keys of an instance: the signing key and the published key set.

use serde_json::{Value, json};

use crate::mint::SigningKey;

/// The signing key and the published keys. Clerk publishes one key, and two while keys are rotated; tests may
/// publish any number, including none.
#[derive(Debug)]
pub(crate) struct Keyring {
    signing: SigningKey,
    published: Vec<Published>,
}

/// A member of the published key set.
#[derive(Debug)]
enum Published {
    Key(SigningKey),
    /// A JSON value published by a test; it need not be a valid key.
    Jwk(Value),
}

impl Published {
    fn kid(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key.kid()),
            Self::Jwk(jwk) => jwk.get("kid").and_then(Value::as_str),
        }
    }
}

impl Keyring {
    pub(crate) fn new(key: SigningKey) -> Self {
        Self {
            published: vec![Published::Key(key.clone())],
            signing: key,
        }
    }

    pub(crate) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// Signs with `key` from now on and publishes only this key.
    pub(crate) fn replace(&mut self, key: SigningKey) {
        *self = Self::new(key);
    }

    /// Signs with `key` from now on and publishes it first. Earlier keys stay published, so earlier tokens
    /// still verify.
    pub(crate) fn replace_with_overlap(&mut self, key: SigningKey) {
        self.published.retain(|one| one.kid() != Some(key.kid()));
        self.published.insert(0, Published::Key(key.clone()));
        self.signing = key;
    }

    /// Publishes `jwk` before the other keys.
    pub(crate) fn publish_first(&mut self, jwk: Value) {
        self.published.insert(0, Published::Jwk(jwk));
    }

    /// Publishes `jwk` after the other keys.
    pub(crate) fn publish_last(&mut self, jwk: Value) {
        self.published.push(Published::Jwk(jwk));
    }

    /// Stops publishing the keys with this key id, even the signing key. Returns whether there was one.
    pub(crate) fn unpublish(&mut self, kid: &str) -> bool {
        let before = self.published.len();
        self.published.retain(|one| one.kid() != Some(kid));
        self.published.len() < before
    }

    /// Returns the JSON Web Key Set (RFC 7517 §5).
    pub(crate) fn jwks(&self) -> Value {
        let keys = self.published.iter().map(|one| match one {
            Published::Key(key) => key.jwk(),
            Published::Jwk(jwk) => jwk.clone(),
        });
        let keys: Vec<Value> = keys.collect();
        json!({ "keys": keys })
    }

    pub(crate) fn published_kids(&self) -> impl Iterator<Item = &str> {
        self.published.iter().filter_map(Published::kid)
    }

    /// Returns whether the published key with this key id made this signature.
    pub(crate) fn verifies(&self, kid: &str, message: &[u8], signature: &[u8]) -> bool {
        self.published.iter().any(|one| match one {
            Published::Key(key) => key.kid() == kid && key.verifies(message, signature),
            Published::Jwk(_) => false,
        })
    }
}
