//! The numbers as whoever watches over services looks at them, time and again.

use compact_str::CompactString;
use tollgate_core::alert::Grows;

use super::{
    Metrics,
    histogram::{self, PROVIDER_BUCKETS},
};

/// What a service was used for since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) nanos: u64,
    /// Requests by how long they took.
    pub(crate) lasted: [u64; PROVIDER_BUCKETS],
}

/// What was decided since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Decisions {
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    /// Those of them that a limit, a circuit, an emergency or the store held back, and not what
    /// was wrong with them.
    pub(crate) held_back: u64,
    /// Decisions that the store could not make.
    pub(crate) store_failures: u64,
}

impl Metrics {
    /// What each service was used for since the start, by name; nameless where none was named.
    pub(crate) fn used_by_provider(&self) -> Vec<(CompactString, Used)> {
        let used = |counts: &super::ProviderCounts| {
            let models = counts.by_model.all();
            let nanos = models.iter().map(|(_, used)| used.nanos.value()).sum();
            Used { nanos, lasted: counts.lasted.counts() }
        };
        let all = self.by_provider.all().into_iter();
        all.map(|(provider, counts)| (provider, used(&counts))).collect()
    }

    /// What was decided since the start.
    pub(crate) fn decisions(&self) -> Decisions {
        let failures = self.store_failures.all();
        Decisions {
            admitted: self.admitted.value(),
            refused: self.refused.value(),
            held_back: self.held_back.value(),
            store_failures: failures.iter().map(|(_, count)| count.value()).sum(),
        }
    }
}

impl Used {
    /// How long requests took in milliseconds, below which this share of them was; nothing where
    /// there were none.
    pub(crate) fn quantile_ms(&self, share: f64) -> Option<f64> {
        histogram::quantile_of_providers(&self.lasted, share).map(|seconds| seconds * 1e3)
    }
}

impl Grows for Used {
    fn since(&self, before: &Self) -> Self {
        Self {
            nanos: self.nanos.saturating_sub(before.nanos),
            lasted: self.lasted.since(&before.lasted),
        }
    }

    fn fell(&self, before: &Self) -> bool {
        self.nanos < before.nanos || self.lasted.fell(&before.lasted)
    }
}

impl Grows for Decisions {
    fn since(&self, before: &Self) -> Self {
        Self {
            admitted: self.admitted.saturating_sub(before.admitted),
            refused: self.refused.saturating_sub(before.refused),
            held_back: self.held_back.saturating_sub(before.held_back),
            store_failures: self.store_failures.saturating_sub(before.store_failures),
        }
    }

    fn fell(&self, before: &Self) -> bool {
        self.admitted < before.admitted || self.refused < before.refused
    }
}
