//! How long a decision takes, in memory, against the `governor` crate in the same run.
//!
//! Rounds of both sides alternate, so that a noisy machine is noisy for both; the median
//! round is reported. Users are 100,000 strings, asked for in a shuffled order.

mod memory;
mod sides;
mod table;

use std::time::Duration;

use serde::Serialize;

use sides::{Governor, Tollgates};

use crate::stopwatch::{self, median};

/// Distinct users.
pub(crate) const USERS: usize = 100_000;
/// Decisions in one round.
const ROUND: usize = 100_000;
const ROUNDS: usize = 15;

/// All numbers of the benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Nanoseconds of two keyed string checks of governor.
    governor_two_keyed_ns: f64,
    /// Nanoseconds of the seven-limit decision and its settlement.
    seven_limits_ns: f64,
    /// Share of the seven-limit requests that were admitted.
    admitted_share: f64,
    /// Nanoseconds of a direct check of governor.
    governor_direct_ns: f64,
    /// Nanoseconds of a decision on one unkeyed bucket, and its settlement.
    one_bucket_ns: f64,
    /// Decisions of two threads over those of one, with the global limits.
    scaling_with_global: f64,
    /// The same with limits per user only.
    scaling_per_user: f64,
    memory: memory::Memory,
}

/// Runs every part and prints as it goes.
pub(crate) fn run() -> Report {
    let governor = Governor::new();
    let seven = Tollgates::seven_limits();
    let bucket = Tollgates::one_bucket();
    let mut rounds: [Vec<f64>; 4] = Default::default();
    let mut admitted = 0;
    for round in 0..=ROUNDS {
        let picks = sides::picks(round as u64, ROUND);
        let times = [
            stopwatch::time(|| governor.two_keyed(&picks)),
            stopwatch::time(|| admitted += seven.decide(&picks)),
            stopwatch::time(|| governor.direct(ROUND)),
            stopwatch::time(|| bucket.decide_unnamed(ROUND)),
        ];
        if round == 0 {
            admitted = 0; // The first round only fills the tables.
            continue;
        }
        for (all, time) in rounds.iter_mut().zip(times) {
            all.push(per(time, ROUND));
        }
    }
    let [two_keyed, seven_limits, direct, one_bucket] = rounds.map(median);
    Report {
        governor_two_keyed_ns: two_keyed,
        seven_limits_ns: seven_limits,
        admitted_share: admitted as f64 / (ROUND * ROUNDS) as f64,
        governor_direct_ns: direct,
        one_bucket_ns: one_bucket,
        scaling_with_global: scaling(&seven),
        scaling_per_user: scaling(&Tollgates::per_user()),
        memory: memory::measure(),
    }
}

/// Two threads on different users against one, rounds alternating.
fn scaling(side: &Tollgates) -> f64 {
    let (mut one, mut two) = (vec![], vec![]);
    let halves = [
        sides::picks_within(1, ROUND, 0..USERS / 2),
        sides::picks_within(2, ROUND, USERS / 2..USERS),
    ];
    for _ in 0..ROUNDS {
        one.push(
            ROUND as f64
                / stopwatch::time(|| {
                    side.decide(&halves[0]);
                })
                .as_secs_f64(),
        );
        let both = stopwatch::time(|| {
            std::thread::scope(|scope| {
                for half in &halves {
                    scope.spawn(|| side.decide(half));
                }
            });
        });
        two.push(2.0 * ROUND as f64 / both.as_secs_f64());
    }
    median(two) / median(one)
}

fn per(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count as f64
}
