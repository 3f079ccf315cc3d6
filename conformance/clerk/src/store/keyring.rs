//! The keys of an instance: the one that signs, and those that are published.

use serde_json::{Value, json};

use crate::mint::SigningKey;

/// Keys in use. At Clerk there is one; while keys are rotated there are two, and trouble makes it none.
#[derive(Debug)]
pub(crate) struct Keyring {
    signing: SigningKey,
    published: Vec<Published>,
}

/// What the key set holds.
#[derive(Debug)]
enum Published {
    Key(SigningKey),
    /// Whatever somebody wanted to be there, a key or not.
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

    /// Signs with `key` from now on, and publishes nothing else.
    pub(crate) fn replace(&mut self, key: SigningKey) {
        *self = Self::new(key);
    }

    /// Signs with `key` from now on. The keys published before stay, so tokens they signed still verify.
    pub(crate) fn replace_with_overlap(&mut self, key: SigningKey) {
        self.published.retain(|one| one.kid() != Some(key.kid()));
        self.published.insert(0, Published::Key(key.clone()));
        self.signing = key;
    }

    /// Publishes this before what is published.
    pub(crate) fn publish_first(&mut self, jwk: Value) {
        self.published.insert(0, Published::Jwk(jwk));
    }

    /// Publishes this after what is published.
    pub(crate) fn publish_last(&mut self, jwk: Value) {
        self.published.push(Published::Jwk(jwk));
    }

    /// Stops publishing a key, the signing one too; whether there was one of this id.
    pub(crate) fn unpublish(&mut self, kid: &str) -> bool {
        let before = self.published.len();
        self.published.retain(|one| one.kid() != Some(kid));
        self.published.len() < before
    }

    /// The JSON Web Key Set (RFC 7517 §5).
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

    /// Whether the published key of this id made this signature.
    pub(crate) fn verifies(&self, kid: &str, message: &[u8], signature: &[u8]) -> bool {
        self.published.iter().any(|one| match one {
            Published::Key(key) => key.kid() == kid && key.verifies(message, signature),
            Published::Jwk(_) => false,
        })
    }
}
