//! Simulates the lookup limit with a Clerk that is slow, fails and limits its rate, and with callers that
//! send accepted and made-up tokens and may give up.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::{
    error::{AuthError, Outage},
    lookup_limit::{LIMIT_WINDOW, LONGEST_PAUSE, LookupLimit, MAX_LOOKUPS, MAX_UNKNOWN_TOKENS},
};
use crate::{
    clerk::ClerkError,
    session::Session,
    simulation::{SimulatedClock, each_seed, up_to},
    token::TokenError,
};

/// What the simulated Clerk saw.
#[derive(Default)]
struct Clerk {
    /// Lookups in flight: of made-up tokens, and of accepted ones.
    in_flight: [usize; 2],
    /// When the current window began.
    window: Option<Instant>,
    /// The lookups of unknown tokens that began in the current window. Lookups of tokens that Clerk knows do not
    /// count.
    charged: u32,
    paused_until: Option<Instant>,
}

impl Clerk {
    /// Counts the lookup of a made-up token. Returns its window.
    fn charge(&mut self) -> Option<Instant> {
        if self.window.is_none_or(|begun| begun.elapsed() >= LIMIT_WINDOW) {
            (self.window, self.charged) = (Some(Instant::now()), 0);
        }
        self.charged += 1;
        assert!(self.charged <= MAX_UNKNOWN_TOKENS, "{} in a window", self.charged);
        self.window
    }

    fn refund(&mut self, window: Option<Instant>) {
        if window == self.window {
            self.charged -= 1;
        }
    }
}

/// Counts a lookup as in flight until it ends or is dropped.
struct InFlight(Arc<Mutex<Clerk>>, usize);

impl InFlight {
    fn begin(clerk: &Arc<Mutex<Clerk>>, is_accepted: bool) -> Self {
        let mut seen = clerk.lock();
        let kind = usize::from(is_accepted);
        if let Some(count) = seen.in_flight.get_mut(kind) {
            *count += 1;
            assert!(*count <= MAX_LOOKUPS, "{count} lookups at once");
        }
        let is_paused = seen.paused_until.is_some_and(|until| Instant::now() < until);
        assert!(!is_paused, "a lookup while Clerk's rate limit is exceeded");
        Self(Arc::clone(clerk), kind)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(count) = self.0.lock().in_flight.get_mut(self.1) {
            *count -= 1;
        }
    }
}

/// Looks up a token at the simulated Clerk, for a caller that asked at `asked`.
async fn look_up(
    clerk: Arc<Mutex<Clerk>>,
    is_accepted: bool,
    asked: Instant,
    mut rng: Rng,
) -> Result<Arc<Session>, AuthError> {
    let _in_flight = InFlight::begin(&clerk, is_accepted);
    // There are fewer callers with accepted tokens at a time than permits.
    assert!(
        !is_accepted || asked == Instant::now(),
        "an accepted token waits for made-up ones"
    );
    let window = if is_accepted { None } else { clerk.lock().charge() };
    let outcome = if is_accepted { rng.u8(0..8) } else { rng.u8(0..20) };
    sleep(up_to(Duration::from_secs(5), &mut rng)).await;
    if matches!(outcome, 2 | 3) && !is_accepted {
        clerk.lock().refund(window);
    }
    let failed = |error| Err(AuthError::Unavailable(Outage::Clerk(error)));
    match outcome {
        0 if rng.u8(0..4) == 0 => {
            let retry_after = rng.bool().then(|| up_to(LONGEST_PAUSE * 2, &mut rng));
            let pause = retry_after.unwrap_or(LIMIT_WINDOW).min(LONGEST_PAUSE);
            let mut seen = clerk.lock();
            seen.paused_until = seen.paused_until.max(Some(Instant::now() + pause));
            failed(ClerkError::RateLimited { retry_after })
        }
        1 => failed(ClerkError::UnexpectedBody),
        // Clerk knows these.
        2 | 3 => Err(TokenError::Revoked.into()),
        _ => Err(TokenError::Unknown.into()),
    }
}

async fn simulate(mut rng: Rng) {
    let budget = LookupLimit::new(Arc::new(SimulatedClock::start()));
    let clerk = Arc::default();
    let callers = (0..120).map(|_| {
        let (budget, clerk) = (&budget, Arc::clone(&clerk));
        let mut rng = rng.fork();
        async move {
            sleep(up_to(Duration::from_secs(15), &mut rng)).await;
            let is_accepted = rng.u8(0..4) == 0;
            let lookup = look_up(Arc::clone(&clerk), is_accepted, Instant::now(), rng.fork());
            let patience = if rng.bool() {
                up_to(Duration::from_secs(3), &mut rng)
            } else {
                Duration::MAX
            };
            let outcome = timeout(patience, async {
                if is_accepted {
                    budget.run_accepted(lookup).await
                } else {
                    budget.run(lookup).await
                }
            });
            if let Ok(Err(AuthError::Unavailable(Outage::LookupLimit { retry_after }))) = outcome.await {
                assert!(!is_accepted, "made-up tokens locked out an accepted one");
                assert!(retry_after <= LIMIT_WINDOW, "{retry_after:?}");
                assert_eq!(
                    clerk.lock().charged,
                    MAX_UNKNOWN_TOKENS,
                    "refused although Clerk knew the tokens"
                );
            }
        }
    });
    let ended = timeout(Duration::from_hours(1), join_all(callers)).await;
    assert!(ended.is_ok(), "callers wait forever");
    assert!(budget.is_idle(), "a permit was not released");

    assert_eq!(clerk.lock().in_flight, [0, 0]);
    // Nothing is left over: after the longest pause, as many lookups as ever are let through.
    sleep(LONGEST_PAUSE).await;
    for _ in 0..MAX_UNKNOWN_TOKENS {
        let outcome = budget.run(async { Err(TokenError::Unknown.into()) }).await;
        assert_eq!(outcome.map(drop), Err(TokenError::Unknown.into()));
    }
    let outcome = budget.run(async { Err(TokenError::Unknown.into()) }).await;
    assert!(matches!(
        outcome,
        Err(AuthError::Unavailable(Outage::LookupLimit { .. }))
    ));
}

#[test]
fn lookup_limit_with_a_thousand_seeds() {
    each_seed(simulate);
}
