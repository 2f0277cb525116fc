//! Whether what is left of a unit grows evenly, told from a provider's numbers alone.
//!
//! A bucket is full again after a time that is proportional to what was used of it. A window
//! ends when it ends: the more of it is used, the nearer is its end. So a provider whose
//! numbers keep to one proportion, over several answers and while what is used doubles, has
//! buckets; and one that no longer keeps to it is not taken to have them any more.

use std::time::Duration;

/// What the numbers of one unit have shown so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Growth {
    is_even: bool,
    /// Numbers in a row that do not fit those before.
    misfits: u32,
    seen: Option<Seen>,
}

/// Numbers that fit each other.
#[derive(Debug, Clone, Copy)]
struct Seen {
    numbers: u32,
    least_used: u64,
    most_used: u64,
    /// Between which nanoseconds one unit takes to come back.
    quickest: f64,
    slowest: f64,
}

/// So many numbers that fit are a proof, and so many in a row that do not are one against it.
const PROOF: u32 = 8;
const DOUBT: u32 = 3;

/// How much of it may have been used, at least, for each that was used at the beginning.
const SPAN: u64 = 2;

/// How inexact a time may be that is told: so much of it, and a little.
const INEXACT: f64 = 0.05;
const LITTLE: f64 = 2e6;

/// Of fewer the one that is nearly there, and not told, makes too large a part.
const FEW: u64 = 10;

impl Growth {
    /// An answer told how much is used and when all of it is there again.
    pub(super) fn note(&mut self, used: u64, rest: Duration) {
        if used < FEW {
            return;
        }
        let told = Seen::of(used, rest);
        self.seen = match self.seen.and_then(|seen| seen.with(told)) {
            Some(both) => {
                self.misfits = 0;
                self.is_even |= both.is_proof();
                Some(both)
            }
            None => {
                self.misfits = self.misfits.saturating_add(1);
                self.is_even &= self.misfits < DOUBT;
                Some(told)
            }
        };
    }

    pub(super) const fn is_even(&self) -> bool {
        self.is_even
    }
}

impl Seen {
    fn of(used: u64, rest: Duration) -> Self {
        let nanos = rest.as_nanos() as f64;
        let more = nanos * (1.0 + INEXACT) + LITTLE;
        let less = nanos * (1.0 - INEXACT) - LITTLE;
        Self {
            numbers: 1,
            least_used: used,
            most_used: used,
            quickest: less / used as f64,
            // Less than one more may be there already, and is not told.
            slowest: more / (used - 1) as f64,
        }
    }

    /// Both together, if they fit.
    fn with(self, other: Self) -> Option<Self> {
        let both = Self {
            numbers: self.numbers.saturating_add(other.numbers),
            least_used: self.least_used.min(other.least_used),
            most_used: self.most_used.max(other.most_used),
            quickest: self.quickest.max(other.quickest),
            slowest: self.slowest.min(other.slowest),
        };
        (both.quickest <= both.slowest).then_some(both)
    }

    fn is_proof(&self) -> bool {
        self.numbers >= PROOF && self.most_used >= self.least_used.saturating_mul(SPAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 100;
    const WINDOW_MS: u64 = 60_000;

    fn of_bucket(growth: &mut Growth, used: u64) {
        growth.note(used, Duration::from_millis(WINDOW_MS * used / LIMIT));
    }

    fn bucket() -> Growth {
        let mut growth = Growth::default();
        for used in 10..30 {
            of_bucket(&mut growth, used);
        }
        growth
    }

    #[test]
    fn a_bucket_is_known_by_its_proportion() {
        assert!(bucket().is_even());
        let mut still = Growth::default();
        for _ in 0..100 {
            of_bucket(&mut still, 50);
        }
        assert!(!still.is_even(), "any window may say that for a while");
        let mut few = Growth::default();
        for used in [20, 50, 99] {
            of_bucket(&mut few, used);
        }
        assert!(!few.is_even());
    }

    #[test]
    fn a_window_is_never_taken_for_one() {
        for (per_answer, ms_per_answer) in [(1, 1), (1, 600), (7, 100), (1, 1_200), (2, 3_000)] {
            let mut growth = Growth::default();
            let (mut now, mut used) = (0, 0);
            for _ in 0..10_000 {
                let before = now / WINDOW_MS;
                now += ms_per_answer;
                used = if now / WINDOW_MS == before { used } else { 0 };
                used = (used + per_answer).min(LIMIT);
                growth.note(used, Duration::from_millis(WINDOW_MS - now % WINDOW_MS));
                assert!(!growth.is_even(), "{per_answer} {ms_per_answer} at {now}");
            }
        }
    }

    #[test]
    fn what_no_longer_fits_is_believed_no_longer() {
        let mut growth = bucket();
        growth.note(50, Duration::from_millis(1_000));
        growth.note(51, Duration::from_millis(900));
        assert!(growth.is_even(), "once is nothing");
        growth.note(70, Duration::from_millis(100));
        growth.note(10, Duration::from_millis(59_000));
        assert!(!growth.is_even());
    }

    #[test]
    fn of_a_few_the_next_one_may_nearly_be_there() {
        let mut growth = Growth::default();
        for _ in 0..100 {
            growth.note(1, Duration::from_millis(60_000));
            growth.note(2, Duration::from_millis(59_900));
        }
        assert!(!growth.is_even(), "a window of two says the same");
    }
}
