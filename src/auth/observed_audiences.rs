//! [`ObservedAudiences`]: logs each client whose tokens are accepted only because of
//! `CLERK_AUDIENCE=observe`.

use std::collections::HashSet;

use parking_lot::Mutex;

use crate::token::VerifiedClaims;

/// The clients that were logged because their tokens lack the right audience. Each client is logged once.
#[derive(Debug, Default)]
pub(super) struct ObservedAudiences {
    logged_clients: Mutex<HashSet<String>>,
}

impl ObservedAudiences {
    /// Counts a token that was just verified, if its audience is not this server, and logs its client.
    pub(super) fn record(&self, verified: &VerifiedClaims) {
        let Some(audience) = verified.observed_audience() else {
            return;
        };
        metrics::counter!("clerk_mcp_observed_audiences_total").increment(1);
        let client = verified.client_id.as_deref().unwrap_or_default();
        let mut logged = self.logged_clients.lock();
        if logged.len() < MAX_LOGGED_CLIENTS && logged.insert(client.to_owned()) {
            tracing::warn!(
                client_id = client,
                aud = %audience,
                "accepted a token whose audience (aud) does not name this server, because CLERK_AUDIENCE is observe"
            );
        }
    }
}

/// Limits the memory: a client that registers dynamically gets a new id each time.
const MAX_LOGGED_CLIENTS: usize = 1_000;
