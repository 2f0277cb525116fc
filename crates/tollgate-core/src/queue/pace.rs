//! How fast a room is served, observed.

use std::time::Duration;

use crate::Time;

/// So many gaps between starts must have been seen before anything is said.
const MIN_GAPS: u32 = 8;

/// A new gap counts for this part of the mean.
const PART: u64 = 16;

/// A gap counts for at most so many times the mean, so that one pause is not taken for a
/// trend.
const MOST: u64 = 32;

/// A mean below this, in nanoseconds, does not bound a gap: bursts would never be unlearned.
const LEAST: u64 = 1_000_000;

/// The mean gap between two starts, of those that somebody waited through.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The mean, in nanoseconds.
    mean: u64,
    gaps: u32,
    /// A gap was seen since somebody began to wait.
    fresh: bool,
    /// The last start, if somebody has waited ever since.
    last: Option<Time>,
}

impl Pace {
    /// A start, that leaves others waiting or not.
    pub(super) fn started(&mut self, now: Time, others: bool) {
        if let Some(last) = self.last {
            let gap = u64::try_from(now.since(last).as_nanos()).unwrap_or(u64::MAX);
            self.mean = self.with(gap);
            self.gaps = self.gaps.saturating_add(1);
            self.fresh = true;
        }
        self.last = others.then_some(now);
    }

    /// Nobody waits any more.
    pub(super) fn emptied(&mut self) {
        self.last = None;
        self.fresh = false;
    }

    /// Whether it is good enough to refuse by. What was learned before the room was empty is
    /// not: who is refused by it cannot show that service has become faster.
    pub(super) const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// How long it takes until `place` have been started; `None` while too little is known.
    pub(super) fn wait(&self, place: usize, now: Time) -> Option<Duration> {
        if self.gaps < MIN_GAPS {
            return None;
        }
        // A gap that is open counts as soon as it is longer than usual.
        let open = self.last.map_or(0, |last| now.since(last).as_nanos());
        let open = u64::try_from(open).unwrap_or(u64::MAX);
        let mean = if open > self.mean { self.with(open) } else { self.mean };
        Some(Duration::from_nanos(mean.saturating_mul(place as u64)))
    }

    /// The mean with one gap more: at first of all gaps, then of the recent.
    fn with(&self, gap: u64) -> u64 {
        let part = u64::from(self.gaps).saturating_add(1).min(PART);
        let most = if self.gaps < MIN_GAPS { u64::MAX } else { self.mean.saturating_mul(MOST) };
        let gap = gap.min(most.max(LEAST));
        let mean = u128::from(self.mean) * u128::from(part - 1) + u128::from(gap);
        u64::try_from(mean / u128::from(part)).unwrap_or(u64::MAX)
    }
}
