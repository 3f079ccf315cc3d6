//! A cache of the sessions of verified JWTs. It is keyed by the SHA-256 of the token, so that it contains no
//! tokens.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use moka::sync::Cache;

use crate::{
    session::Session,
    token::{BearerToken, KeyReference, KeySource, VerifiedClaims},
};

/// A cache of the sessions of verified JWTs.
pub(super) struct VerifiedTokenCache(Cache<[u8; 32], Arc<VerifiedToken>>);

/// The cached result of a verified JWT.
struct VerifiedToken {
    session: Arc<Session>,
    key: KeyReference,
    expires_at: Timestamp,
    weight: u32,
}

impl Default for VerifiedTokenCache {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(MAX_VERIFIED_BYTES)
            .weigher(|_, entry: &Arc<VerifiedToken>| entry.weight)
            .time_to_live(FORGET_AFTER)
            .build();
        Self(cache)
    }
}

impl VerifiedTokenCache {
    /// Returns the session of the token with this SHA-256, if `exp` has not passed and its key is still
    /// published. The results of all other checks do not change over time.
    pub(super) fn get(&self, id: &[u8; 32], keys: &dyn KeySource, now: Timestamp) -> Option<Arc<Session>> {
        let entry = self.0.get(id)?;
        (now < entry.expires_at && keys.holds(&entry.key)).then(|| {
            count("hit");
            Arc::clone(&entry.session)
        })
    }

    /// Caches the session of a verified JWT, and returns it.
    pub(super) fn insert(&self, id: [u8; 32], token: &BearerToken, verified: VerifiedClaims) -> Arc<Session> {
        count("miss");
        let (key, expires_at) = (verified.key().cloned(), verified.expires_at);
        let session = Arc::new(Session::from(verified));
        if let (Some(key), Some(expires_at)) = (key, expires_at) {
            // Parsed claims take several times the memory of their text.
            let weight = u32::try_from(token.expose().len() * 4 + 1024).unwrap_or(u32::MAX);
            let entry = VerifiedToken {
                session: Arc::clone(&session),
                key,
                expires_at,
                weight,
            };
            self.0.insert(id, Arc::new(entry));
        }
        session
    }
}

/// Counts a cache lookup of a valid JWT.
fn count(outcome: &'static str) {
    metrics::counter!("clerk_mcp_cache_lookups_total", "cache" => "verified_tokens", "outcome" => outcome)
        .increment(1);
}

/// A limit on the weight in bytes, not on the number of tokens. An attacker cannot fill the cache, because
/// only valid tokens are cached.
const MAX_VERIFIED_BYTES: u64 = 16 * 1024 * 1024;
/// Frees the memory of tokens that are no longer used.
const FORGET_AFTER: Duration = Duration::from_mins(10);
