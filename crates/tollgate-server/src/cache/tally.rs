//! What the cache did, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tollgate_core::NanoUsd;

/// What became of a request that an answer could be kept of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered by what was kept.
    Hit,
    /// It was answered by what another request brought while it waited.
    Shared,
    /// It was answered by what was kept of a question that means the same.
    Similar,
    /// It was answered by what was kept, since nothing else could answer; it is a miss too.
    Fallback,
    /// It was answered by its provider.
    Miss,
    /// It was answered by its provider, since it wanted that or its answers are not kept.
    Bypass,
    /// The answer of its provider was kept; it is a miss or a bypass too.
    Stored,
}

/// What the cache did since the start.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: [AtomicU64; OUTCOMES.len()],
    saved_nanos: AtomicU64,
}

/// What the cache did since the start, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct CacheTotals {
    /// Requests that were answered by what was kept.
    pub(crate) hits: u64,
    /// Requests that were answered by what another one brought while they waited.
    pub(crate) shared: u64,
    /// Requests that were answered by what was kept of questions that mean the same.
    pub(crate) similar: u64,
    /// Requests that were answered by what was kept, perhaps beyond its time, since no model
    /// could: they are among those whose answer was not there.
    pub(crate) fallback: u64,
    /// Requests whose answer was not there.
    pub(crate) misses: u64,
    /// Requests whose answers are not kept, or that did not want one that was.
    pub(crate) bypassed: u64,
    /// Answers that were kept.
    pub(crate) stored: u64,
    /// The share of hits, shared and similar ones among all that were looked for.
    pub(crate) hit_rate: f64,
    /// Dollars that the same requests had cost before: an exact decimal in a string.
    #[schema(value_type = String, example = "0.0002606")]
    pub(crate) saved_usd: NanoUsd,
}

/// All outcomes, in the order in which they are shown.
const OUTCOMES: [Outcome; 7] = [
    Outcome::Hit,
    Outcome::Shared,
    Outcome::Similar,
    Outcome::Fallback,
    Outcome::Miss,
    Outcome::Bypass,
    Outcome::Stored,
];

impl CacheTotals {
    /// How many there were of each outcome, by its name.
    pub(crate) fn by_outcome(&self) -> [(&'static str, u64); OUTCOMES.len()] {
        let Self { hits, shared, similar, fallback, misses, bypassed, stored, .. } = *self;
        let counts = [hits, shared, similar, fallback, misses, bypassed, stored];
        std::array::from_fn(|place| (OUTCOMES[place].name(), counts[place]))
    }
}

impl Outcome {
    /// Its name in metrics and headers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Shared => "shared",
            Self::Similar => "similar",
            Self::Fallback => "fallback",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Stored => "stored",
        }
    }
}

impl Tally {
    pub(crate) fn count(&self, outcome: Outcome) {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what a request did not cost that was answered by what was kept.
    pub(crate) fn saved(&self, cost: NanoUsd) {
        self.saved_nanos.fetch_add(cost.0, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn totals(&self) -> CacheTotals {
        let [hits, shared, similar, fallback, misses, bypassed, stored] =
            OUTCOMES.map(|outcome| self.of(outcome));
        let found = hits + shared + similar;
        let looked = found + misses;
        CacheTotals {
            hits,
            shared,
            similar,
            fallback,
            misses,
            bypassed,
            stored,
            hit_rate: if looked == 0 { 0.0 } else { found as f64 / looked as f64 },
            saved_usd: NanoUsd(self.saved_nanos.load(Ordering::Relaxed)),
        }
    }
}
