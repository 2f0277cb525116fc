//! The load: requests at instants of their own, and how long answers and refusals took.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use hdrhistogram::Histogram;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tollgate::Clock;
use tollgate_core::Time;

use crate::gateway::{
    client::{Client, Target},
    process::Process,
};

/// How much is asked, for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Each has one request under way at most.
    pub(super) connections: u32,
    pub(super) lasts: Duration,
    /// Requests per second of all connections; nothing for one after another.
    pub(super) per_second: Option<f64>,
}

/// Nanoseconds of answers and of refusals.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) served: Histogram<u64>,
    pub(super) refused: Histogram<u64>,
}

/// How often it is looked how much memory is taken.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What a limit refuses with.
const REFUSED: [u16; 2] = [429, 503];

impl Answers {
    fn none() -> Self {
        let empty =
            || Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are in its range"));
        Self { served: empty(), refused: empty() }
    }

    pub(super) fn served_per_second(&self, lasts: Duration) -> f64 {
        self.served.len() as f64 / lasts.as_secs_f64()
    }

    fn add(&mut self, other: &Self) -> Result<()> {
        self.served.add(&other.served).context("latencies beyond the record's range")?;
        self.refused.add(&other.refused).context("latencies beyond the record's range")
    }
}

impl Load {
    /// Runs one round.
    pub(super) fn run(&self, target: &Target, round: u64) -> Result<Answers> {
        let clock = Clock::system();
        let end = clock.now().time.after(self.lasts);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.connections)
                .map(|nth| {
                    let clock = clock.clone();
                    let random = ChaCha8Rng::seed_from_u64(round << 32 | u64::from(nth));
                    scope.spawn(move || self.work(target, &clock, random, end))
                })
                .collect();
            let mut all = Answers::none();
            for worker in workers {
                let part = worker.join().map_err(|_| anyhow!("a part of the load panicked"))??;
                all.add(&part)?;
            }
            Ok(all)
        })
    }

    /// The same, and the most memory that a process has meanwhile.
    pub(super) fn run_watched(&self, target: &Target, of: &Process) -> Result<(Answers, u64)> {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut most = 0;
                while !is_over.load(Ordering::Relaxed) {
                    most = of.resident_bytes()?.max(most);
                    thread::park_timeout(BETWEEN_LOOKS);
                }
                anyhow::Ok(most)
            });
            let answers = self.run(target, 3);
            is_over.store(true, Ordering::Relaxed);
            let most = watch.join().map_err(|_| anyhow!("nobody looked at its memory"))??;
            Ok((answers?, most))
        })
    }

    fn work(
        &self,
        target: &Target,
        clock: &Clock,
        mut random: ChaCha8Rng,
        end: Time,
    ) -> Result<Answers> {
        let mut client = Client::connect(target)?;
        let mut answers = Answers::none();
        let mut due = clock.now().time;
        loop {
            due = due.after(self.gap(&mut random));
            wait_until(clock, due.min(end));
            if clock.now().time >= end {
                return Ok(answers);
            }
            let request = target.prepared(random.random_range(0..usize::MAX));
            let began = clock.now().time;
            let status = client.ask(request)?;
            let took = u64::try_from(clock.now().time.since(began).as_nanos())?;
            let is_refused = REFUSED.contains(&status);
            ensure!(is_refused || status == 200, "{} answered {status}", target.address);
            let record = if is_refused { &mut answers.refused } else { &mut answers.served };
            record.record(took)?;
        }
    }

    /// The time between two requests: exponential, so that arrivals are as good as independent.
    fn gap(&self, random: &mut ChaCha8Rng) -> Duration {
        let Some(per_second) = self.per_second else { return Duration::ZERO };
        let mean = f64::from(self.connections) / per_second;
        let share: f64 = random.random();
        Duration::from_secs_f64(-mean * (1.0 - share).ln())
    }
}

/// Waits without turning in circles: the cores belong to what is measured.
fn wait_until(clock: &Clock, due: Time) {
    loop {
        let left = due.since(clock.now().time);
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}
