//! Limits how often opaque tokens are looked up at Clerk.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::error::{AuthError, Outage};
use crate::{clerk::ClerkError, session::Session, token::TokenError};

/// A limit for lookups of opaque tokens.
///
/// Anyone can send made-up tokens, and each lookup counts against Clerk's rate limit: a hundred requests in
/// ten seconds per application, including those of the tools. Therefore few lookups run at the same time.
/// They pause after many tokens that Clerk does not know, and when Clerk's rate limit is exceeded.
pub(super) struct LookupBudget {
    usage: Mutex<LookupUsage>,
    in_flight: Semaphore,
}

#[derive(Default)]
struct LookupUsage {
    unknown_tokens: u32,
    window_start: Timestamp,
    paused_until: Timestamp,
}

impl LookupBudget {
    pub(super) fn new() -> Self {
        Self {
            usage: Mutex::default(),
            in_flight: Semaphore::new(MAX_LOOKUPS),
        }
    }

    /// Runs `lookup` if the limit allows it. Otherwise returns [`ClerkError::RateLimited`].
    pub(super) async fn run(
        &self,
        now: Timestamp,
        lookup: impl Future<Output = Result<Arc<Session>, AuthError>>,
    ) -> Result<Arc<Session>, AuthError> {
        // Cannot fail, because the semaphore is never closed.
        let _permit = self.in_flight.acquire().await;
        if let Some(retry_after) = self.wait_time(now) {
            return Err(AuthError::Unavailable(Outage::Clerk(ClerkError::RateLimited {
                retry_after: Some(retry_after),
            })));
        }
        let outcome = lookup.await;
        let mut usage = self.usage.lock();
        match &outcome {
            Err(AuthError::Token(TokenError::Unknown)) => usage.unknown_tokens += 1,
            Err(AuthError::Unavailable(Outage::Clerk(ClerkError::RateLimited { retry_after }))) => {
                let wait = retry_after.unwrap_or(BUDGET_WINDOW).min(LONGEST_PAUSE);
                usage.paused_until = now + SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
            }
            _ => {}
        }
        outcome
    }

    /// Returns how long to wait before the next lookup, or `None` if it may start now.
    fn wait_time(&self, now: Timestamp) -> Option<Duration> {
        let mut usage = self.usage.lock();
        if now.duration_since(usage.window_start).unsigned_abs() >= BUDGET_WINDOW {
            (usage.unknown_tokens, usage.window_start) = (0, now);
        }
        if now < usage.paused_until {
            return Some(usage.paused_until.duration_since(now).unsigned_abs());
        }
        (usage.unknown_tokens >= MAX_UNKNOWN_TOKENS).then_some(BUDGET_WINDOW)
    }
}

const MAX_LOOKUPS: usize = 20;
const MAX_UNKNOWN_TOKENS: u32 = 30;
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
