//! Ten thousand wait for one permit: what each costs in memory, and how soon all are served.
//!
//! Memory is that of the handles and of their places, by what the process really occupies,
//! without the tasks that wait later. Both sides are kept until both are measured, so that
//! neither is given what the other left.

use anyhow::Result;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::{
    drain::{self, drain},
    sides::{Line, Permits, Side, Slots},
};
use crate::resident;

/// How many wait.
pub(super) const WAITERS: usize = 10_000;
/// Lines of each side that are worked off, in turn; the median counts.
const ROUNDS: usize = 5;

/// Both sides.
#[derive(Debug, Serialize)]
pub(super) struct Crowd {
    /// All of one user, before one limit.
    pub(super) tollgate: Served,
    /// Each another user, before a limit of its own too.
    pub(super) users: Served,
    pub(super) semaphore: Served,
}

/// What was found of one side.
#[derive(Debug, Default, Serialize)]
pub(super) struct Served {
    /// Resident bytes that each who waits adds.
    pub(super) bytes_per_waiter: f64,
    /// Milliseconds from the first release until all have ended, in the median round.
    pub(super) drain_ms: f64,
    /// Rounds in which not all were served, or not in the order in which they came.
    pub(super) rounds_out_of_order: usize,
    #[serde(skip)]
    rounds_ms: Vec<f64>,
}

pub(super) fn measure() -> Result<Crowd> {
    let runtime = drain::runtime()?;
    let (one, many, permits) =
        (Slots::one(WAITERS)?, Slots::one_and_users(WAITERS)?, Permits::one());
    let (mut tollgate, mut users, mut semaphore) =
        (Served::default(), Served::default(), Served::default());
    let entered = runtime.enter();
    // Those that leave the least of what they grew by first.
    let theirs = semaphore.weigh(&permits)?;
    let mut lines = Some((tollgate.weigh(&one)?, users.weigh(&many)?, theirs));
    drop(entered);
    for _ in 0..ROUNDS {
        let (of_one, of_many, theirs) = match lines.take() {
            Some(weighed) => weighed,
            None => {
                let _entered = runtime.enter();
                (one.queue(WAITERS)?, many.queue(WAITERS)?, permits.queue(WAITERS)?)
            }
        };
        tollgate.round(&runtime, &one, of_one)?;
        users.round(&runtime, &many, of_many)?;
        semaphore.round(&runtime, &permits, theirs)?;
    }
    Ok(Crowd { tollgate: tollgate.median(), users: users.median(), semaphore: semaphore.median() })
}

impl Served {
    fn weigh<S: Side>(&mut self, side: &S) -> Result<Line<S::Turn>> {
        let before = resident::bytes();
        let line = side.queue(WAITERS)?;
        self.bytes_per_waiter = (resident::bytes() - before) as f64 / WAITERS as f64;
        Ok(line)
    }

    fn round<S: Side>(&mut self, runtime: &Runtime, side: &S, line: Line<S::Turn>) -> Result<()> {
        let drained = runtime.block_on(drain(line, &[]))?;
        let all_in_order = drained.order.into_iter().eq(0..WAITERS) && side.free()? == 1;
        self.rounds_out_of_order += usize::from(!all_in_order);
        self.rounds_ms.push(drained.took.as_secs_f64() * 1_000.0);
        Ok(())
    }

    fn median(mut self) -> Self {
        self.rounds_ms.sort_by(f64::total_cmp);
        self.drain_ms = self.rounds_ms.get(self.rounds_ms.len() / 2).copied().unwrap_or_default();
        self
    }
}
