//! Simulates the lookup budget with a Clerk that is slow, fails and limits its rate, and with callers that
//! send accepted and made-up tokens and may give up.

use std::{collections::VecDeque, sync::Arc, time::Duration};

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
    /// When lookups of tokens that Clerk does not know began, in the last window.
    unknown: VecDeque<Instant>,
    all_unknown: usize,
    /// When lookups of made-up tokens began. A lookup is removed when Clerk turns out to know its token.
    charged: Vec<Instant>,
    paused_until: Option<Instant>,
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

/// Looks up a token at the simulated Clerk.
async fn look_up(
    clerk: Arc<Mutex<Clerk>>,
    is_accepted: bool,
    mut rng: Rng,
) -> Result<Arc<Session>, AuthError> {
    let _in_flight = InFlight::begin(&clerk, is_accepted);
    let begun = Instant::now();
    if !is_accepted {
        clerk.lock().charged.push(begun);
    }
    let outcome = if is_accepted { rng.u8(0..8) } else { rng.u8(0..20) };
    if outcome > 3 && !is_accepted {
        let mut seen = clerk.lock();
        let now = Instant::now();
        seen.unknown.retain(|begun| now - *begun < LIMIT_WINDOW);
        seen.unknown.push_back(now);
        seen.all_unknown += 1;
        // The budget's windows are fixed, so a window of this test may cover two of them.
        assert!(seen.unknown.len() <= 2 * MAX_UNKNOWN_TOKENS as usize);
    }
    sleep(up_to(Duration::from_secs(5), &mut rng)).await;
    if matches!(outcome, 2 | 3) && !is_accepted {
        let mut seen = clerk.lock();
        if let Some(position) = seen.charged.iter().position(|one| *one == begun) {
            seen.charged.swap_remove(position);
        }
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
        2 => Err(TokenError::Revoked.into()),
        0 | 3 => Err(TokenError::Expired {
            since: Duration::ZERO,
        }
        .into()),
        _ => Err(TokenError::Unknown.into()),
    }
}

async fn simulate(mut rng: Rng) {
    let begun = Instant::now();
    let budget = LookupLimit::new(Arc::new(SimulatedClock::start()));
    let clerk = Arc::default();
    let callers = (0..120).map(|_| {
        let (budget, clerk) = (&budget, Arc::clone(&clerk));
        let mut rng = rng.fork();
        async move {
            sleep(up_to(Duration::from_secs(15), &mut rng)).await;
            let is_accepted = rng.u8(0..4) == 0;
            let lookup = look_up(Arc::clone(&clerk), is_accepted, rng.fork());
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
                let seen = clerk.lock();
                let recent = seen
                    .charged
                    .iter()
                    .filter(|begun| begun.elapsed() <= LIMIT_WINDOW);
                assert!(
                    recent.count() >= MAX_UNKNOWN_TOKENS as usize,
                    "refused although Clerk knew the tokens"
                );
            }
        }
    });
    let ended = timeout(Duration::from_hours(1), join_all(callers)).await;
    assert!(ended.is_ok(), "callers wait forever");
    assert!(budget.is_idle(), "a permit was not released");

    let windows = begun.elapsed().as_secs() / LIMIT_WINDOW.as_secs() + 1;
    {
        let seen = clerk.lock();
        assert_eq!(seen.in_flight, [0, 0]);
        assert!(seen.all_unknown as u64 <= windows * u64::from(MAX_UNKNOWN_TOKENS));
    }
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
