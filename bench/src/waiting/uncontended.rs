//! What it costs to acquire and release while nobody waits.
//!
//! Rounds are short, so that most of them are not interrupted by other programs of a busy
//! machine, and the median is one of these.

use std::hint::black_box;

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::{sync::Semaphore, task::unconstrained};
use tollgate::{Patience, Verdict};
use tollgate_core::Demand;

use super::sides::{Slots, who};
use crate::stopwatch::Stopwatch;

/// Permits taken and given back in one round.
const ROUND: u32 = 1_000;
/// Rounds of both sides, in turn; the median counts.
const ROUNDS: usize = 1_001;

/// Nanoseconds of one permit, taken and given back.
#[derive(Debug, Serialize)]
pub(super) struct Uncontended {
    pub(super) tollgate_ns: f64,
    pub(super) semaphore_ns: f64,
}

pub(super) fn measure() -> Result<Uncontended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let slots = Slots::many_and_users()?;
    let semaphore = Semaphore::new(100);
    let (mut ours, mut theirs) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let watch = Stopwatch::start();
        runtime.block_on(unconstrained(acquire_slots(&slots)))?;
        ours.push(watch.elapsed().as_nanos() as f64 / f64::from(ROUND));
        let watch = Stopwatch::start();
        runtime.block_on(unconstrained(acquire_permits(&semaphore)))?;
        theirs.push(watch.elapsed().as_nanos() as f64 / f64::from(ROUND));
    }
    Ok(Uncontended { tollgate_ns: median(ours), semaphore_ns: median(theirs) })
}

async fn acquire_slots(slots: &Slots) -> Result<()> {
    let user = who("alice");
    for _ in 0..ROUND {
        let acquired = slots.gate.acquire(&user, &Demand::ONE_REQUEST, Patience::POLICY).await?;
        ensure!(matches!(acquired, Verdict::Admit(_)), "nobody is in the way");
        if let Verdict::Admit(permit) = acquired {
            black_box(&permit);
            permit.end(None);
        }
    }
    Ok(())
}

async fn acquire_permits(semaphore: &Semaphore) -> Result<()> {
    for _ in 0..ROUND {
        drop(black_box(semaphore.acquire().await?));
    }
    Ok(())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
