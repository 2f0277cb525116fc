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

/// How many buckets providers' times have.
pub(super) const PROVIDER_BUCKETS: usize = PROVIDERS.len() + 1;

/// In how many seconds this share of requests to providers was done, as evenly as they may lie
/// within a bucket; nothing where there were none. What took longer than all bounds is taken to
/// have taken the longest.
pub(super) fn quantile_of_providers(counts: &[u64; PROVIDER_BUCKETS], share: f64) -> Option<f64> {
    let all: u64 = counts.iter().sum();
    if all == 0 {
        return None;
    }
    let wanted = all as f64 * share.clamp(0.0, 1.0);
    let (mut below, mut lower) = (0.0, 0.0);
    for (count, upper) in counts.iter().zip(PROVIDERS) {
        let (count, upper) = (*count as f64, upper as f64 / SECOND as f64);
        if count > 0.0 && below + count >= wanted {
            return Some(lower + (upper - lower) * (wanted - below) / count);
        }
        (below, lower) = (below + count, upper);
    }
    Some(lower)
}

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

    /// What each bucket has, as many as there are.
    pub(super) fn counts<const N: usize>(&self) -> [u64; N] {
        std::array::from_fn(|nth| self.counts.get(nth).map_or(0, Count::value))
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
