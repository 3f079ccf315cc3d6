//! The Backend API's rate limit: a fixed number of requests per period, then 429 until the period ends.

use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

/// The number of requests that the Backend API accepts per period. Requests for the key set are not limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests per period.
    pub requests: u32,
    /// Length of the period.
    pub period: Duration,
}

impl RateLimit {
    /// Clerk's limit for a development instance: 100 requests in 10 seconds.
    pub const DEVELOPMENT: Self = Self {
        requests: 100,
        period: Duration::from_secs(10),
    };
    /// Clerk's limit for a production instance: 1,000 requests in 10 seconds.
    pub const PRODUCTION: Self = Self {
        requests: 1_000,
        period: Duration::from_secs(10),
    };
}

/// Counts requests against a limit.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: Option<RateLimit>,
    window: Mutex<Option<Window>>,
}

/// The current period.
#[derive(Clone, Copy, Debug)]
struct Window {
    ends_at: Timestamp,
    requests: u32,
}

impl Limiter {
    pub(crate) fn new(limit: Option<RateLimit>) -> Self {
        Self {
            limit,
            window: Mutex::new(None),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    ///
    /// Returns the time until the period ends if the limit is exceeded.
    pub(crate) fn admit(&self, now: Timestamp) -> Result<(), Duration> {
        let Some(limit) = self.limit else {
            return Ok(());
        };
        let mut window = self.window.lock();
        let current = match *window {
            Some(current) if now < current.ends_at => current,
            Some(_) | None => Window {
                // A period beyond the last representable time never ends.
                ends_at: now.checked_add(limit.period).unwrap_or(Timestamp::MAX),
                requests: 0,
            },
        };
        if current.requests >= limit.requests {
            *window = Some(current);
            let left = now.duration_until(current.ends_at);
            return Err(left.try_into().unwrap_or_default());
        }
        *window = Some(Window {
            requests: current.requests + 1,
            ..current
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_over_the_limit_wait_for_the_next_period() {
        let limit = RateLimit {
            requests: 2,
            period: Duration::from_secs(10),
        };
        let limiter = Limiter::new(Some(limit));
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(limiter.admit(at(0)), Ok(()));
        assert_eq!(limiter.admit(at(4)), Ok(()));
        assert_eq!(limiter.admit(at(4)), Err(Duration::from_secs(6)));
        assert_eq!(limiter.admit(at(9)), Err(Duration::from_secs(1)));
        assert_eq!(limiter.admit(at(10)), Ok(()));
        assert_eq!(Limiter::new(None).admit(at(0)), Ok(()));
    }
}
