//! A histogram of durations whose buckets are fixed when it is made.

use std::{iter, time::Duration};

use super::totals::Count;

/// Counts durations by upper bound.
#[derive(Debug)]
pub(super) struct Histogram {
    /// Upper bounds in nanoseconds, rising.
    bounds: &'static [u64],
    /// One count for each bound, and one for what is above all.
    counts: Box<[Count]>,
    sum_nanos: Count,
}

/// What a histogram shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snapshot {
    /// Seconds in all.
    pub(super) sum: f64,
    /// Observations in all.
    pub(super) count: u64,
    /// Upper bounds in seconds, each with its own observations.
    pub(super) buckets: Vec<(f64, u64)>,
}

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// What the gateway adds: tens of microseconds, sometimes milliseconds.
const GATEWAY: [u64; 12] = [
    25 * MICRO,
    50 * MICRO,
    100 * MICRO,
    150 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    5 * MILLI / 2,
    5 * MILLI,
    10 * MILLI,
    100 * MILLI,
    SECOND,
];

/// What models take: from a cached answer to a long stream.
const PROVIDERS: [u64; 12] = [
    10 * MILLI,
    50 * MILLI,
    100 * MILLI,
    250 * MILLI,
    500 * MILLI,
    SECOND,
    5 * SECOND / 2,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    60 * SECOND,
    300 * SECOND,
];

/// How long requests wait: from nothing to the longest that most callers bear.
const QUEUES: [u64; 12] = [
    MILLI,
    5 * MILLI,
    25 * MILLI,
    100 * MILLI,
    250 * MILLI,
    500 * MILLI,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    120 * SECOND,
];

impl Histogram {
    pub(super) fn of_queues() -> Self {
        Self::new(&QUEUES)
    }

    pub(super) fn of_gateway() -> Self {
        Self::new(&GATEWAY)
    }

    pub(super) fn of_providers() -> Self {
        Self::new(&PROVIDERS)
    }

    fn new(bounds: &'static [u64]) -> Self {
        let counts = iter::repeat_with(Count::default).take(bounds.len() + 1).collect();
        Self { bounds, counts, sum_nanos: Count::default() }
    }

    pub(super) fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[self.bounds.partition_point(|bound| *bound < nanos)].add(1);
        self.sum_nanos.add(nanos);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let bounds = self.bounds.iter().map(|nanos| *nanos as f64 / SECOND as f64);
        let buckets: Vec<_> = bounds
            .chain(iter::once(f64::INFINITY))
            .zip(self.counts.iter().map(Count::value))
            .collect();
        Snapshot {
            sum: self.sum_nanos.value() as f64 / SECOND as f64,
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}
