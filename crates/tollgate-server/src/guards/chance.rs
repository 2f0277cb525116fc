//! Chance that a seed decides: it draws among weighted models, and spreads retries.

use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Random numbers for all requests of a process.
#[derive(Debug)]
pub(crate) struct Chance(Mutex<ChaCha8Rng>);

impl Chance {
    /// Always the same numbers for the same seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Mutex::new(ChaCha8Rng::seed_from_u64(seed)))
    }

    /// The next number.
    pub(crate) fn draw(&self) -> u64 {
        self.0.lock().next_u64()
    }
}

impl Default for Chance {
    /// Other numbers in each process.
    fn default() -> Self {
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        Self::seeded(high ^ low)
    }
}
