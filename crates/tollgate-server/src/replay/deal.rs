//! Deals users over rows by a seeded rule: a few ask for most.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Zipf};

/// Deals one hand a row, the same for the same seed.
#[derive(Debug)]
pub(crate) struct Dealer {
    rng: ChaCha8Rng,
    users: Zipf<f64>,
    stream: f64,
}

/// Who sends a row's request, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deal {
    /// The user's number, from 1 on; low numbers come more often.
    pub(crate) user: u32,
    /// Whether the answer is asked for as a stream.
    pub(crate) stream: bool,
}

/// How unequal users are: the k-th asks 1/k as often as the first.
const SKEW: f64 = 1.0;

impl Dealer {
    /// A dealer for `users` users, of whose requests the share `stream` is streamed.
    ///
    /// Nothing for no users or a share outside of 0 to 1.
    pub(crate) fn new(users: u32, stream: f64, seed: u64) -> Option<Self> {
        let users = Zipf::new(f64::from(users), SKEW).ok()?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Another stream than the generated trace's, so that the two do not move together.
        rng.set_stream(1);
        (0.0..=1.0).contains(&stream).then_some(Self { rng, users, stream })
    }

    /// The next hand.
    pub(crate) fn deal(&mut self) -> Deal {
        let user = self.users.sample(&mut self.rng) as u32;
        Deal { user, stream: self.rng.random_bool(self.stream) }
    }
}
