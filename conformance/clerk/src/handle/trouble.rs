use serde_json::Value;

use crate::{Endpoint, FaultId, FaultRule, LocalClerk, RequestRecord, mint::SigningKey};

/// Keys that change, faults, and what was asked.
impl LocalClerk {
    /// Signs with `key` from now on, and publishes it in place of the old one. The instance id stays.
    pub fn rotate_key(&self, key: SigningKey) {
        self.instance.keys.write().replace(key);
    }

    /// Signs with `key` from now on, and publishes it beside the others, so tokens from before still verify.
    pub fn rotate_key_with_overlap(&self, key: SigningKey) {
        self.instance.keys.write().replace_with_overlap(key);
    }

    /// Publishes this in front of the others, until keys are rotated: a key that nobody may use, or no key at all.
    pub fn publish_first(&self, jwk: Value) {
        self.instance.keys.write().publish_first(jwk);
    }

    /// The same after the others.
    pub fn publish_last(&self, jwk: Value) {
        self.instance.keys.write().publish_last(jwk);
    }

    /// Stops publishing the key of this id; whether there was one. Dropping the key that signs leaves tokens that
    /// nobody can verify.
    pub fn drop_key(&self, kid: &str) -> bool {
        self.instance.keys.write().unpublish(kid)
    }

    /// Puts a fault in force, after those that are.
    pub fn inject(&self, rule: FaultRule) -> FaultId {
        self.instance.faults.inject(rule)
    }

    /// Ends a fault; whether it was in force. Requests it holds are answered.
    pub fn clear_fault(&self, id: FaultId) -> bool {
        self.instance.faults.clear(id)
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.instance.faults.clear_all();
    }

    /// The faults in force, in their order.
    pub fn faults(&self) -> Vec<(FaultId, FaultRule)> {
        self.instance.faults.list()
    }

    /// How many requests this endpoint has received, refused ones included.
    pub fn request_count(&self, endpoint: Endpoint) -> u64 {
        self.instance.log.count(endpoint)
    }

    /// Waits until this endpoint has received so many requests, answered or not.
    pub async fn wait_for_requests(&self, endpoint: Endpoint, count: u64) {
        self.instance.log.reached(endpoint, count).await;
    }

    /// The last thousand requests, oldest first. Requests to the admin API are not among them.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.instance.log.records()
    }

    /// Forgets the requests, and counts from zero.
    pub fn clear_requests(&self) {
        self.instance.log.clear();
    }
}
