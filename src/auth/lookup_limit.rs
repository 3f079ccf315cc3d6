//! Limits how often opaque tokens are looked up at Clerk.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::error::{AuthError, Outage};
use crate::{clerk::ClerkError, clock::Clock, session::Session, token::TokenError};

/// A limit for lookups of opaque tokens.
///
/// Anyone can send made-up tokens, and each lookup counts against Clerk's rate limit: 100 requests in 10 s
/// per application, including the requests of tools. Therefore:
///
/// - At most 20 lookups of tokens that Clerk accepted before run at a time. Other tokens cannot use these
///   permits, so made-up tokens cannot lock out users.
/// - At most 20 lookups of other tokens run at a time, and at most 30 start in 10 s. A lookup is not counted if
///   Clerk knows the token.
/// - While Clerk's rate limit is exceeded, all lookups fail.
pub(super) struct LookupLimit {
    clock: Arc<dyn Clock>,
    usage: Mutex<LookupUsage>,
    /// Permits for lookups of tokens that Clerk accepted before.
    accepted: Semaphore,
    /// Permits for lookups of other tokens.
    other: Semaphore,
    /// Limits how many lookups of other tokens wait or run.
    queue: Semaphore,
}

#[derive(Default)]
struct LookupUsage {
    /// The lookups that were started in the current window, except lookups of tokens that Clerk knew.
    charged: u32,
    window_start: Timestamp,
    paused_until: Timestamp,
}

impl LookupLimit {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            usage: Mutex::default(),
            accepted: Semaphore::new(MAX_LOOKUPS),
            other: Semaphore::new(MAX_LOOKUPS),
            queue: Semaphore::new(MAX_QUEUE),
        }
    }

    /// Runs the lookup of a token that Clerk accepted before.
    pub(super) async fn run_accepted(
        &self,
        lookup: impl Future<Output = Result<Arc<Session>, AuthError>>,
    ) -> Result<Arc<Session>, AuthError> {
        // Cannot fail, because the semaphore is never closed.
        let _permit = self.accepted.acquire().await;
        self.usage.lock().check_pause(self.clock.now())?;
        let outcome = lookup.await;
        self.pause_if_rate_limited(&outcome);
        outcome
    }

    /// Runs the lookup of any other token, if the limit allows it. Otherwise returns [`Outage::LookupLimit`].
    ///
    /// The lookup is charged before it starts, so it counts even if the future is dropped.
    pub(super) async fn run(
        &self,
        lookup: impl Future<Output = Result<Arc<Session>, AuthError>>,
    ) -> Result<Arc<Session>, AuthError> {
        let Ok(_queue_permit) = self.queue.try_acquire() else {
            return Err(limited(LIMIT_WINDOW));
        };
        // Cannot fail, because the semaphore is never closed.
        let _permit = self.other.acquire().await;
        // Read the clock after the wait, because the wait may be longer than a window.
        let charged_in = self.usage.lock().charge(self.clock.now())?;
        let outcome = lookup.await;
        // Clerk knew the token, even if it is not valid here.
        let is_known = match &outcome {
            Ok(_) => true,
            Err(AuthError::Token(error)) => *error != TokenError::Unknown,
            Err(_) => false,
        };
        if is_known {
            self.usage.lock().refund(charged_in);
        }
        self.pause_if_rate_limited(&outcome);
        outcome
    }

    /// Returns whether all permits are free.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let free = [&self.accepted, &self.other, &self.queue].map(Semaphore::available_permits);
        free == [MAX_LOOKUPS, MAX_LOOKUPS, MAX_QUEUE]
    }

    fn pause_if_rate_limited(&self, outcome: &Result<Arc<Session>, AuthError>) {
        if let Err(AuthError::Unavailable(Outage::Clerk(ClerkError::RateLimited { retry_after }))) = outcome {
            let wait = retry_after.unwrap_or(LIMIT_WINDOW).min(LONGEST_PAUSE);
            let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
            let mut usage = self.usage.lock();
            usage.paused_until = usage.paused_until.max(self.clock.now() + wait);
        }
    }
}

impl LookupUsage {
    /// Fails until the time that Clerk named when its rate limit was exceeded.
    fn check_pause(&self, now: Timestamp) -> Result<(), AuthError> {
        if now >= self.paused_until {
            return Ok(());
        }
        Err(AuthError::Unavailable(Outage::Clerk(ClerkError::RateLimited {
            retry_after: Some(self.paused_until.duration_since(now).unsigned_abs()),
        })))
    }

    /// Charges a lookup. Returns the window it was charged in.
    fn charge(&mut self, now: Timestamp) -> Result<Timestamp, AuthError> {
        self.check_pause(now)?;
        let elapsed = now.duration_since(self.window_start).unsigned_abs();
        if elapsed >= LIMIT_WINDOW {
            (self.charged, self.window_start) = (0, now);
        } else if self.charged >= MAX_UNKNOWN_TOKENS {
            return Err(limited(LIMIT_WINDOW.saturating_sub(elapsed)));
        }
        self.charged += 1;
        Ok(self.window_start)
    }

    fn refund(&mut self, charged_in: Timestamp) {
        if charged_in == self.window_start {
            self.charged = self.charged.saturating_sub(1);
        }
    }
}

fn limited(retry_after: Duration) -> AuthError {
    AuthError::Unavailable(Outage::LookupLimit { retry_after })
}

/// Maximum number of concurrent lookups per semaphore. Less than [`MAX_UNKNOWN_TOKENS`]: each lookup is charged
/// until Clerk turns out to know the token, so many valid tokens at once must wait instead of exceeding the
/// limit.
pub(super) const MAX_LOOKUPS: usize = 20;
/// Bounds the memory of waiting lookups while Clerk is slow.
const MAX_QUEUE: usize = 1_000;
pub(super) const MAX_UNKNOWN_TOKENS: u32 = 30;
pub(super) const LIMIT_WINDOW: Duration = Duration::from_secs(10);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(1);
