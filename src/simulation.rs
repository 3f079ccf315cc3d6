//! Runs a simulation with many seeds. Each seed has a random generator and a clock of its own. Time passes
//! only while every task waits, so hours take milliseconds, and a failure can be repeated with its seed.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::clock::Clock;

const SEEDS: u64 = 1_000;

/// Runs `simulation` once with each seed. To run one seed alone, change the range.
pub(crate) fn each_seed(simulation: impl AsyncFn(Rng)) {
    for seed in 0..SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let run = || runtime.block_on(simulation(Rng::with_seed(seed)));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            eprintln!("the simulation failed with seed {seed}");
            resume_unwind(panic);
        }
    }
}

/// Returns a random time of up to `most`, in milliseconds.
pub(crate) fn up_to(most: Duration, rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(0..=u64::try_from(most.as_millis()).unwrap()))
}

/// The clock of a simulation: Tokio's time.
#[derive(Debug)]
pub(crate) struct SimulatedClock(Instant);

impl SimulatedClock {
    /// Creates a clock. Call it within the simulation.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let start = Timestamp::from_second(1_772_366_400).unwrap();
        start + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}
