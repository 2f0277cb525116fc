//! Chance that a seed decides: the n-th request always has the same luck.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{SandboxSettings, plan::Fault};

/// Numbers the requests and decides their luck.
#[derive(Debug)]
pub(crate) struct Dice {
    seed: u64,
    drawn: AtomicU64,
}

/// The luck of one request.
#[derive(Debug)]
pub(crate) struct Draw<'a> {
    dice: &'a Dice,
    /// The request's place in the order of arrival, from 0.
    pub(crate) number: u64,
}

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }

    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }

    /// The luck of the next request.
    pub(crate) fn draw(&self) -> Draw<'_> {
        Draw { dice: self, number: self.drawn.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Draw<'_> {
    /// What goes wrong, if anything; by `number` instead of the request's own where given.
    pub(crate) fn fault(&self, settings: &SandboxSettings, number: Option<u64>) -> Option<Fault> {
        let error = settings.error_rate.value();
        let refused = error + settings.rate_limit_rate.value();
        let truncated = refused + settings.truncate_rate.value();
        if truncated == 0.0 {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.dice.seed);
        rng.set_stream(number.unwrap_or(self.number));
        match rng.random::<f64>() {
            luck if luck < error / 2.0 => Some(Fault::Error),
            luck if luck < error => Some(Fault::Unavailable),
            luck if luck < refused => Some(Fault::RateLimit),
            luck if luck < truncated => Some(Fault::Cut),
            _ => None,
        }
    }
}
