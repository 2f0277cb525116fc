//! A trace made from the published statistics of the Azure conversation trace of 2023
//! (Splitwise, ISCA'24): 19,366 requests in 58 minutes that swell to half as much again and
//! ebb, peaks of 16 a second; prompts of 1,155 tokens in the mean and 4,142 at the 99th
//! percentile, answers of 211 and 601.

use std::{f64::consts::PI, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal};

use super::trace::{Row, Trace};

const REQUESTS: usize = 19_366;
const SECONDS: f64 = 3_501.0;

/// How much the rate swells in the middle of the hour, as a share of its mean.
const SWELL: f64 = 0.4;
/// The share of requests that come in bursts, and how long a burst is, in seconds.
const BURSTING: f64 = 0.1;
const BURST_SECONDS: f64 = 0.5;
const BURST_REQUESTS: usize = 4;

const INPUT: Lengths = Lengths { mean: 1_155.0, p99: 4_142.0, max: 14_050.0 };
const OUTPUT: Lengths = Lengths { mean: 211.0, p99: 601.0, max: 1_000.0 };

struct Lengths {
    mean: f64,
    p99: f64,
    max: f64,
}

/// The trace of that seed.
pub(super) fn trace(seed: u64) -> Trace {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut arrivals = Vec::with_capacity(REQUESTS + BURST_REQUESTS);
    while arrivals.len() < REQUESTS {
        let at = arrival(&mut rng);
        let burst = rng.random_bool(BURSTING / BURST_REQUESTS as f64);
        arrivals.push(at);
        for _ in 1..if burst { BURST_REQUESTS } else { 1 } {
            arrivals.push((at + rng.random_range(0.0..BURST_SECONDS)).min(SECONDS));
        }
    }
    arrivals.truncate(REQUESTS);
    arrivals.sort_by(f64::total_cmp);
    let began = arrivals[0];
    let row = |at: f64| Row {
        at: Duration::from_secs_f64(at - began),
        input_tokens: INPUT.draw(&mut rng),
        output_tokens: OUTPUT.draw(&mut rng),
    };
    Trace::from_sorted(arrivals.into_iter().map(row).collect())
}

/// An instant, drawn by a rate that swells and ebbs once: rejection under its highest value.
fn arrival(rng: &mut ChaCha8Rng) -> f64 {
    loop {
        let at = rng.random_range(0.0..SECONDS);
        let rate = 1.0 - SWELL * (2.0 * PI * at / SECONDS).cos();
        if rng.random_range(0.0..1.0 + SWELL) < rate {
            return at;
        }
    }
}

impl Lengths {
    fn draw(&self, rng: &mut ChaCha8Rng) -> u32 {
        // Of a lognormal, ln(p99 / mean) = z·σ − σ²/2 with z = 2.326; the smaller root is σ.
        const Z: f64 = 2.326;
        let sigma = Z - (Z * Z - 2.0 * (self.p99 / self.mean).ln()).sqrt();
        let mu = self.mean.ln() - sigma * sigma / 2.0;
        let length = LogNormal::new(mu, sigma).map_or(self.mean, |lengths| lengths.sample(rng));
        length.clamp(1.0, self.max).round() as u32
    }
}
