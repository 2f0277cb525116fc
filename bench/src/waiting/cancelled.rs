//! The same crowd, of which half goes away, some before the first turn, some while others
//! are served: nobody else may be lost, and no permit.

use anyhow::Result;
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::{
    crowd::WAITERS,
    drain::{self, drain},
    sides::{Permits, Side, Slots},
};

/// How often, each time with others who go.
const ROUNDS: u64 = 5;

/// Both sides.
#[derive(Debug, Serialize)]
pub(super) struct Cancelled {
    pub(super) tollgate: Left,
    pub(super) semaphore: Left,
}

/// What was found of one side, in all rounds together.
#[derive(Debug, Default, Serialize)]
pub(super) struct Left {
    /// Who stayed and was not served.
    pub(super) lost: usize,
    /// Permits that were not free afterwards; each round has one.
    pub(super) leaked: u64,
    /// Who was cancelled and had been served before it came to that.
    pub(super) served_before: usize,
    /// Milliseconds of the slowest round.
    pub(super) slowest_ms: f64,
}

pub(super) fn measure() -> Result<Cancelled> {
    let runtime = drain::runtime()?;
    let (mut tollgate, mut semaphore) = (Left::default(), Left::default());
    for seed in 0..ROUNDS {
        let mut all: Vec<usize> = (0..WAITERS).collect();
        all.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let goes = &all[..WAITERS / 2];
        tollgate.round(&runtime, &Slots::one(WAITERS)?, goes)?;
        semaphore.round(&runtime, &Permits::one(), goes)?;
    }
    Ok(Cancelled { tollgate, semaphore })
}

impl Left {
    fn round(&mut self, runtime: &Runtime, side: &impl Side, goes: &[usize]) -> Result<()> {
        let entered = runtime.enter();
        let line = side.queue(WAITERS)?;
        drop(entered);
        let drained = runtime.block_on(drain(line, goes))?;
        let mut served = [false; WAITERS];
        for nth in &drained.order {
            served[*nth] = true;
        }
        let gone = goes.iter().filter(|nth| served[**nth]).count();
        self.served_before += gone;
        self.lost += WAITERS - goes.len() - (drained.order.len() - gone);
        self.leaked += 1_u64.saturating_sub(side.free()?);
        self.slowest_ms = self.slowest_ms.max(drained.took.as_secs_f64() * 1_000.0);
        Ok(())
    }
}
