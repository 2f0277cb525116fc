//! What it costs to acquire and release while nobody waits.
//!
//! Rounds are short, so that most of them are not interrupted by other programs of a busy
//! machine, and the median is one of these.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Result, anyhow, ensure};
use serde::Serialize;
use tokio::{sync::Semaphore, task::unconstrained};
use tollgate::{Limiter, Limits, Patience, Verdict};
use tollgate_core::Demand;

use super::sides::{Slots, who};
use crate::stopwatch::{Stopwatch, median};

/// Permits taken and given back in one round.
const ROUND: u32 = 1_000;
/// Rounds of both sides, in turn; the median counts.
const ROUNDS: usize = 1_001;

/// Nanoseconds of one permit, taken and given back.
#[derive(Debug, Serialize)]
pub(super) struct Uncontended {
    pub(super) tollgate_ns: f64,
    pub(super) semaphore_ns: f64,
    /// Milliseconds until all is told of 10,000 users that run, and how many were admitted
    /// and let go meanwhile.
    pub(super) stats_ms: f64,
    pub(super) admitted_meanwhile: u64,
}

/// Users that run while stats are asked for.
const USERS: u64 = 10_000;
/// How often they are asked for; the slowest counts.
const ASKED: usize = 20;

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
    let (stats_ms, admitted_meanwhile) = runtime.block_on(stats())?;
    let (tollgate_ns, semaphore_ns) = (median(ours), median(theirs));
    Ok(Uncontended { tollgate_ns, semaphore_ns, stats_ms, admitted_meanwhile })
}

/// Asks for stats while another thread is admitted and lets go, again and again.
async fn stats() -> Result<(f64, u64)> {
    let limiter = Limiter::new(Limits { max_concurrent_global: 2 * USERS, ..Limits::default() });
    let mut slots = Vec::new();
    for nth in 0..USERS {
        slots.push(limiter.acquire(&format!("user-{nth}")).await?);
    }
    let (other, is_over) = (limiter.clone(), Arc::new(AtomicBool::new(false)));
    let until = Arc::clone(&is_over);
    let admitting = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let mut admitted = 0;
        while !until.load(Ordering::Relaxed) {
            runtime.block_on(other.acquire("somebody"))?.release();
            admitted += 1;
        }
        anyhow::Ok(admitted)
    });
    let mut slowest = 0.0_f64;
    for _ in 0..ASKED {
        let watch = Stopwatch::start();
        ensure!(black_box(limiter.stats()).total_users >= USERS, "all of them are told");
        slowest = slowest.max(watch.elapsed().as_secs_f64() * 1_000.0);
    }
    is_over.store(true, Ordering::Relaxed);
    let admitted = admitting.join().map_err(|_| anyhow!("the other thread panicked"))??;
    Ok((slowest, admitted))
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
