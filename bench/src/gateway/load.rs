//! The load: as much as can be served, or a fixed rate at random instants.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use hdrhistogram::Histogram;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tollgate::Clock;
use tollgate_core::Time;

use super::{
    client::{Client, Target},
    expect_success,
};

/// How much is asked, how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Each has one request under way at most.
    pub(super) connections: u32,
    pub(super) round: Duration,
    /// Requests per second of all connections; nothing for as many as can be served.
    pub(super) per_second: Option<f64>,
}

/// One connection's part of the load.
struct Worker<'a> {
    load: &'a Load,
    target: &'a Target,
    clock: Clock,
    random: ChaCha8Rng,
    nanos: Histogram<u64>,
}

/// An empty record of nanoseconds, exact to three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are within its range"))
}

impl Load {
    /// Runs one round; the nanoseconds of every answer.
    pub(super) fn run(&self, target: &Target, round: u64) -> Result<Histogram<u64>> {
        let clock = Clock::system();
        let end = clock.now().time.after(self.round);
        let worker = |nth: u32| Worker {
            load: self,
            target,
            clock: clock.clone(),
            random: ChaCha8Rng::seed_from_u64(round << 32 | u64::from(nth)),
            nanos: histogram(),
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.connections)
                .map(|nth| {
                    let worker = worker(nth);
                    scope.spawn(move || worker.run(end))
                })
                .collect();
            let mut all = histogram();
            for worker in workers {
                let part = worker.join().map_err(|_| anyhow!("a part of the load panicked"))??;
                all.add(part).context("latencies beyond the record's range")?;
            }
            Ok(all)
        })
    }
}

impl Worker<'_> {
    fn run(mut self, end: Time) -> Result<Histogram<u64>> {
        let mut client = Client::connect(self.target)?;
        let mut due = self.clock.now().time;
        loop {
            due = due.after(self.gap());
            self.wait_until(due.min(end));
            if self.clock.now().time >= end {
                return Ok(self.nanos);
            }
            let request = self.target.prepared(self.random.random_range(0..usize::MAX));
            let began = self.clock.now().time;
            let status = client.ask(request)?;
            let took = self.clock.now().time.since(began);
            expect_success(status, self.target)?;
            self.nanos.record(u64::try_from(took.as_nanos())?)?;
        }
    }

    /// The time between two requests: exponential, so that arrivals are as good as independent.
    fn gap(&mut self) -> Duration {
        let Some(per_second) = self.load.per_second else { return Duration::ZERO };
        let mean = f64::from(self.load.connections) / per_second;
        let share: f64 = self.random.random();
        Duration::from_secs_f64(-mean * (1.0 - share).ln())
    }

    /// Waits without turning in circles: the cores belong to what is measured.
    fn wait_until(&self, due: Time) {
        loop {
            let left = due.since(self.clock.now().time);
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}
