//! [`FetchLimit`]: limits how often the key set is fetched.

use std::time::Duration;

use jiff::Timestamp;

/// Why a lookup needs a fetch.
#[derive(Debug, Clone, Copy)]
pub(super) enum FetchTrigger {
    NoKeys,
    StaleKeys,
    UnknownKey,
}

/// The time of the last fetch, and a token bucket for fetches because of an unknown `kid`.
#[derive(Debug, Default)]
pub(super) struct FetchLimit {
    last_fetch: Option<Timestamp>,
    tokens_used: u64,
    refilled_at: Timestamp,
}

impl FetchLimit {
    /// Records the start or the end of a fetch. A fetch that panics has no end.
    pub(super) fn record(&mut self, now: Timestamp) {
        self.last_fetch = Some(now);
    }

    /// Returns whether a fetch is allowed now. For an unknown key, this uses up one token of the bucket.
    pub(super) fn try_acquire(&mut self, trigger: FetchTrigger, now: Timestamp) -> bool {
        let elapsed =
            |since: Timestamp, minimum: Duration| now.duration_since(since).unsigned_abs() >= minimum;
        match trigger {
            FetchTrigger::NoKeys => self.last_fetch.is_none_or(|last| elapsed(last, RETRY_COOLDOWN)),
            FetchTrigger::StaleKeys => self
                .last_fetch
                .is_none_or(|last| elapsed(last, RETRY_REFRESH_AFTER)),
            FetchTrigger::UnknownKey => {
                let since_refill = now.duration_since(self.refilled_at).unsigned_abs();
                let refill = since_refill.as_secs() / UNKNOWN_KEY_COOLDOWN.as_secs();
                self.tokens_used = self.tokens_used.saturating_sub(refill);
                // A full bucket gains nothing by waiting, so the time to the next refill starts now.
                if refill > 0 || self.tokens_used == 0 {
                    self.refilled_at = now;
                }
                let allowed = self.tokens_used < UNKNOWN_KEY_BURST;
                if allowed {
                    self.tokens_used += 1;
                }
                allowed
            }
        }
    }
}

/// Minimum time between a fetch and the next refresh of an old key set.
pub(super) const RETRY_REFRESH_AFTER: Duration = Duration::from_secs(10);
/// Minimum time between two fetches while there are no keys. Short, because every request depends on them.
const RETRY_COOLDOWN: Duration = Duration::from_secs(1);
/// Fetches for unknown keys that may follow each other at once. Anyone can send a token with a made-up `kid`:
/// without a limit, each such token would cause a request to Clerk.
const UNKNOWN_KEY_BURST: u64 = 2;
/// After the burst, one fetch for an unknown key is allowed per this time.
const UNKNOWN_KEY_COOLDOWN: Duration = Duration::from_secs(10);
