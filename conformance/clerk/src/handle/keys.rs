//! Rotating the signing key and changing the published key set.

use serde_json::Value;

use super::LocalClerk;
use crate::mint::SigningKey;

impl LocalClerk {
    /// Signs with `key` from now on and publishes it alone, in place of all earlier keys. The instance id
    /// does not change.
    pub fn rotate_key(&self, key: SigningKey) {
        self.instance.keys.write().replace(key);
    }

    /// Signs with `key` from now on and publishes it in addition to the earlier keys, so that earlier tokens
    /// still verify.
    pub fn rotate_key_with_overlap(&self, key: SigningKey) {
        self.instance.keys.write().replace_with_overlap(key);
    }

    /// Publishes `jwk` before the other keys, until [`rotate_key`](Self::rotate_key) replaces them all. Any
    /// JSON value is published as it is, so a test can publish an unusable or malformed key.
    pub fn publish_first(&self, jwk: Value) {
        self.instance.keys.write().publish_first(jwk);
    }

    /// Publishes `jwk` after the other keys. See [`publish_first`](Self::publish_first).
    pub fn publish_last(&self, jwk: Value) {
        self.instance.keys.write().publish_last(jwk);
    }

    /// Stops publishing the keys with this key id. Returns whether there was one. If it is the signing key,
    /// new tokens can no longer be verified.
    pub fn drop_key(&self, kid: &str) -> bool {
        self.instance.keys.write().unpublish(kid)
    }
}
