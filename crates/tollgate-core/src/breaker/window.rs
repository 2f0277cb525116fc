//! The recent calls, of which shares are taken: so many calls, or those of so long.

use std::{collections::VecDeque, time::Duration};

use super::{Counts, Window};
use crate::Time;

/// The most calls that a window remembers.
pub const MAX_CALLS: u32 = 1_000;

/// A window of time moves on by this part of its length: it holds the calls of nine to ten
/// tenths of it.
pub const BUCKETS: u64 = 10;

#[derive(Debug)]
pub(super) enum Recent {
    Calls { most: usize, calls: VecDeque<Call>, sum: Counts },
    Time { bucket_ns: u64, newest: u64, buckets: [Counts; BUCKETS as usize] },
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

impl Recent {
    pub(super) fn new(window: Window) -> Self {
        match window {
            Window::Calls(most) => Self::Calls {
                most: most.clamp(1, MAX_CALLS) as usize,
                calls: VecDeque::new(),
                sum: Counts::default(),
            },
            Window::Time(length) => Self::Time {
                bucket_ns: bucket_ns(length),
                newest: 0,
                buckets: [Counts::default(); BUCKETS as usize],
            },
        }
    }

    pub(super) fn add(&mut self, call: Call, now: Time) {
        self.forget(now);
        match self {
            Self::Calls { most, calls, sum } => {
                if calls.len() == *most {
                    sum.subtract(calls.pop_front());
                }
                calls.push_back(call);
                sum.add(call);
            }
            Self::Time { newest, buckets, .. } => buckets[(*newest % BUCKETS) as usize].add(call),
        }
    }

    pub(super) fn counts(&mut self, now: Time) -> Counts {
        self.forget(now);
        match self {
            Self::Calls { sum, .. } => *sum,
            Self::Time { buckets, .. } => {
                buckets.iter().fold(Counts::default(), |sum, bucket| sum.plus(bucket))
            }
        }
    }

    /// Empties the buckets that time has passed.
    fn forget(&mut self, now: Time) {
        let Self::Time { bucket_ns, newest, buckets } = self else { return };
        let present = now.as_nanos() / *bucket_ns;
        let passed = present.saturating_sub(*newest);
        for step in 1..=passed.min(BUCKETS) {
            buckets[((*newest + step) % BUCKETS) as usize] = Counts::default();
        }
        *newest = present.max(*newest);
    }
}

fn bucket_ns(length: Duration) -> u64 {
    u64::try_from(length.as_nanos() / u128::from(BUCKETS)).unwrap_or(u64::MAX).max(1)
}

impl Counts {
    fn add(&mut self, call: Call) {
        self.calls += 1;
        self.failures += u64::from(call.failed);
        self.slow += u64::from(call.slow);
    }

    fn subtract(&mut self, call: Option<Call>) {
        if let Some(call) = call {
            self.calls -= 1;
            self.failures -= u64::from(call.failed);
            self.slow -= u64::from(call.slow);
        }
    }

    const fn plus(self, more: &Self) -> Self {
        Self {
            calls: self.calls + more.calls,
            failures: self.failures + more.failures,
            slow: self.slow + more.slow,
        }
    }
}
