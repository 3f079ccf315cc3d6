//! Counting and listing the requests that were received.

use super::LocalClerk;
use crate::store::{endpoint::Endpoint, request_log::RequestRecord};

impl LocalClerk {
    /// Returns how many requests this endpoint has received, including rejected ones.
    pub fn request_count(&self, endpoint: Endpoint) -> u64 {
        self.instance.log.count(endpoint)
    }

    /// Waits until this endpoint has received at least `count` requests, answered or not.
    pub async fn wait_for_requests(&self, endpoint: Endpoint, count: u64) {
        self.instance.log.wait_for_count(endpoint, count).await;
    }

    /// Returns the last 1,000 requests, oldest first. Requests to the admin API are not included.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.instance.log.records()
    }

    /// Deletes the recorded requests and resets all counters to zero.
    pub fn clear_requests(&self) {
        self.instance.log.clear();
    }
}
