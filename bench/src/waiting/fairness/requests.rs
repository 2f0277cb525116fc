//! The requests of an hour: Poisson arrivals at the clients' rates, and what each costs.
//!
//! All rates are divided by one number, so that the hour has as many requests as a room
//! takes at most, whatever happens; who asks how often beside whom stays as it is.

use std::time::Duration;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Exp, LogNormal};
use tollgate_core::{Time, queue::MAX_SIZE};

use super::clients::{HOUR, Hour, Lengths, WINDOW};

/// How far the 99th percentile is from the median, in standard deviations.
const P99: f64 = 2.326;
/// No request is longer than so many times the 99th percentile.
const LONGEST: f64 = 4.0;

pub(super) struct Requests {
    /// In the order in which they come.
    pub(super) all: Vec<Request>,
    /// Which clients ask less often than the median of them.
    pub(super) light: Vec<bool>,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) arrives: Time,
    /// The number of its client.
    pub(super) tenant: usize,
    /// Its tokens as they are estimated when it comes: its input, and an answer as long as
    /// this client's may be.
    pub(super) estimated: u64,
    /// Those that it really has.
    pub(super) used: u64,
}

impl Requests {
    pub(super) fn of(hour: &Hour, seed: u64) -> Self {
        let asked = |rates: &[f64]| rates.iter().sum::<f64>() * WINDOW.as_secs_f64();
        let each: Vec<f64> = hour.clients.iter().map(|client| asked(&client.rates)).collect();
        let thinner = each.iter().sum::<f64>() / (MAX_SIZE as f64 * 0.95);
        let mut sorted = each.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut all = vec![];
        for (tenant, client) in hour.clients.iter().enumerate() {
            let tokens = client.tokens;
            for at in arrivals(&client.rates, thinner, &mut random) {
                let input = tokens.input.draw(&mut random);
                let used = input + tokens.output.draw(&mut random);
                let estimated = input + tokens.output.p99.ceil() as u64;
                all.push(Request { arrives: start().after(at), tenant, estimated, used });
            }
        }
        all.sort_by_key(|request| request.arrives);
        Self { all, light: each.iter().map(|asked| *asked < median).collect() }
    }
}

/// When the hour begins; any time will do.
fn start() -> Time {
    Time::from_millis(1_790_000_000_000)
}

/// Instants at random, by the rate of each window over `thinner`.
fn arrivals(rates: &[f64], thinner: f64, random: &mut ChaCha8Rng) -> Vec<Duration> {
    // In units of expected arrivals, where they come one after the other at rate 1.
    let unit = Exp::new(1.0).unwrap_or_else(|_| unreachable!("1 is above 0"));
    let mut found = vec![];
    let mut due = unit.sample(random);
    let mut passed = 0.0;
    for (nth, rate) in rates.iter().enumerate() {
        let per_second = rate / thinner;
        let expected = per_second * WINDOW.as_secs_f64();
        while due < passed + expected {
            let within = Duration::from_secs_f64((due - passed) / per_second);
            found.push((WINDOW * nth as u32 + within).min(HOUR));
            due += unit.sample(random);
        }
        passed += expected;
    }
    found
}

impl Lengths {
    /// One of a log-normal distribution with this median and 99th percentile.
    fn draw(self, random: &mut ChaCha8Rng) -> u64 {
        let (p50, p99) = (self.p50.max(1.0), self.p99.max(self.p50).max(1.0));
        let deviation = (p99 / p50).ln() / P99;
        let drawn = LogNormal::new(p50.ln(), deviation)
            .unwrap_or_else(|_| unreachable!("both are finite and not negative"))
            .sample(random);
        drawn.clamp(1.0, p99 * LONGEST).round() as u64
    }
}
