//! The bucket: a generic cell rate algorithm that never rounds in anybody's favour.
//!
//! Its state is one instant, the theoretical arrival time at which the bucket is full
//! again. The instant is kept in nanoseconds times the rate, a whole number of 128 bits, so
//! that rates like 3 per second neither drift above the limit nor cut the burst short.

use crate::{Retry, Time};

/// Words of state: the instant's low and high half, and the rate it is scaled by.
pub(crate) const WORDS: usize = 3;

const LOW: usize = 0;
const HIGH: usize = 1;
const RATE: usize = 2;

/// Refills `rate` units every `per_ns` and holds `burst`.
#[derive(Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) rate: u64,
    pub(crate) per_ns: u64,
    pub(crate) burst: u64,
}

impl Bucket {
    pub(crate) fn check(self, state: &[u64], amount: u64, now: Time) -> Result<(), Retry> {
        if amount == 0 {
            return Ok(());
        }
        if amount > self.burst {
            return Err(Retry::Never);
        }
        // Room is there at every instant t with max(full, t) + cost(amount) <= t + cost(burst).
        let full_at = self.full_at(state, now);
        let admitted_at = full_at.saturating_sub(self.cost(self.burst - amount));
        if admitted_at <= self.scaled(now) {
            return Ok(());
        }
        let nanos = admitted_at.div_ceil(u128::from(self.rate.max(1)));
        Err(Retry::At(Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))))
    }

    pub(crate) fn take(self, state: &mut [u64], amount: u64, now: Time) {
        let full_at = self.full_at(state, now).saturating_add(self.cost(amount));
        self.store(state, full_at);
    }

    /// Gives back what was taken at `at` beyond `used`, but never what the time since then
    /// has refilled already: else an idle bucket would hold more than its burst.
    pub(crate) fn give_back(self, state: &mut [u64], taken: u64, used: u64, at: Time, now: Time) {
        let elapsed = self.scaled(now).saturating_sub(self.scaled(at));
        let back = self.cost(taken).saturating_sub(self.cost(used).max(elapsed));
        let full_at = self.load(state).saturating_sub(back);
        self.store(state, full_at);
    }

    /// Whole units that could be taken now.
    pub(crate) fn remaining(self, state: &[u64], now: Time) -> u64 {
        self.remaining_until(state, now, now)
    }

    /// Whole units that could be taken now and are counted as if they were taken at `until`: what
    /// time refills meanwhile is not to be had beside them.
    pub(crate) fn remaining_until(self, state: &[u64], until: Time, now: Time) -> u64 {
        let taken = self.full_at(state, until).saturating_sub(self.scaled(now));
        let room = self.cost(self.burst).saturating_sub(taken) / u128::from(self.per_ns.max(1));
        u64::try_from(room).unwrap_or(u64::MAX)
    }

    /// When one more unit than now can be taken.
    pub(crate) fn next_unit(self, state: &[u64], now: Time) -> Time {
        let more = self.remaining(state, now).saturating_add(1);
        match self.check(state, more, now) {
            Err(Retry::At(at)) => at,
            _ => now,
        }
    }

    /// The time in which `amount` is refilled, scaled.
    fn cost(self, amount: u64) -> u128 {
        u128::from(amount) * u128::from(self.per_ns)
    }

    fn scaled(self, time: Time) -> u128 {
        u128::from(time.as_nanos()) * u128::from(self.rate)
    }

    fn full_at(self, state: &[u64], now: Time) -> u128 {
        self.load(state).max(self.scaled(now))
    }

    fn load(self, state: &[u64]) -> u128 {
        let full_at = stored(state);
        if state[RATE] == self.rate || state[RATE] == 0 {
            return full_at;
        }
        // The policy changed the rate: the instant stays what it was, rounded up.
        full_at.div_ceil(u128::from(state[RATE])).saturating_mul(u128::from(self.rate))
    }

    const fn store(self, state: &mut [u64], full_at: u128) {
        state[LOW] = full_at as u64;
        state[HIGH] = (full_at >> 64) as u64;
        state[RATE] = self.rate;
    }
}

/// Whether the bucket is full.
pub(crate) fn is_idle(state: &[u64], now: Time) -> bool {
    stored(state) <= u128::from(now.as_nanos()) * u128::from(state[RATE])
}

fn stored(state: &[u64]) -> u128 {
    u128::from(state[HIGH]) << 64 | u128::from(state[LOW])
}
