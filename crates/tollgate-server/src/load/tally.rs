//! What was counted, in bounded memory.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::outcome::{Ending, Failure, Outcome};

/// What was counted.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Answers by their status: there are fewer than a thousand.
    pub(crate) by_status: BTreeMap<u16, u64>,
    pub(crate) by_failure: BTreeMap<Failure, Failed>,
    /// How long successes took, body and all.
    pub(crate) success: Latency,
    /// How long errors took, body and all.
    pub(crate) error: Latency,
}

/// Exceptions of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Failed {
    pub(crate) count: u64,
    /// What happened the first time, as far as it is known.
    pub(crate) example: String,
}

/// Latencies of one kind, in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Latency(Histogram<u64>);

/// A status from which on an answer is an error.
const FIRST_ERROR: u16 = 400;
/// The longest latency that is told apart, in microseconds: an hour.
const MAX_MICROS: u64 = 3_600_000_000;

impl Tally {
    /// Nothing counted.
    pub(crate) fn new() -> Self {
        let (by_status, by_failure) = (BTreeMap::new(), BTreeMap::new());
        Self { by_status, by_failure, success: Latency::new(), error: Latency::new() }
    }

    /// Counts one request.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        match &outcome.ending {
            Ending::Answered(status) => {
                *self.by_status.entry(*status).or_default() += 1;
                let kind = if *status < FIRST_ERROR { &mut self.success } else { &mut self.error };
                kind.record(outcome.took);
            }
            Ending::Failed(failure, detail) => {
                let failed = self.by_failure.entry(*failure).or_default();
                failed.count += 1;
                if failed.example.is_empty() {
                    failed.example.clone_from(detail);
                }
            }
        }
    }

    /// How many succeeded.
    pub(crate) fn successes(&self) -> u64 {
        self.by_status.range(..FIRST_ERROR).map(|(_, count)| count).sum()
    }

    /// How many were answered by an error.
    pub(crate) fn errors(&self) -> u64 {
        self.by_status.range(FIRST_ERROR..).map(|(_, count)| count).sum()
    }

    /// How many had no whole answer.
    pub(crate) fn exceptions(&self) -> u64 {
        self.by_failure.values().map(|failed| failed.count).sum()
    }
}

impl Latency {
    /// Nothing recorded.
    pub(crate) fn new() -> Self {
        let bounds = Histogram::new_with_bounds(1, MAX_MICROS, 3);
        Self(bounds.expect("1 µs to 1 h at 3 digits are bounds of a histogram"))
    }

    /// Records one; what is longer than can be told apart counts as the longest that can.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Both together.
    pub(crate) fn with(mut self, other: &Self) -> Self {
        // The bounds are the same, so it cannot fail.
        let _ = self.0.add(&other.0);
        self
    }

    /// What was recorded; nothing where nothing was.
    pub(crate) fn recorded(&self) -> Option<&Histogram<u64>> {
        (!self.0.is_empty()).then_some(&self.0)
    }
}
