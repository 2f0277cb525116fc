//! How the calls of a provider ended since the start, each try by itself.

use std::sync::atomic::{AtomicU64, Ordering};

use tollgate_core::{alert::Grows, breaker::Outcome};

/// How the calls of one provider ended.
#[derive(Debug, Default)]
pub(super) struct Tally {
    served: AtomicU64,
    failed: AtomicU64,
}

/// How many calls ended well, and how many did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) served: u64,
    /// Those that failed, and those that the provider turned away for being too many.
    pub(crate) failed: u64,
}

impl Tally {
    /// A call has ended; what says nothing about the provider is not counted.
    pub(super) fn note(&self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Success => &self.served,
            Outcome::Failure { .. } | Outcome::Throttled { .. } => &self.failed,
            Outcome::Ignored => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn calls(&self) -> Calls {
        let value = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Calls { served: value(&self.served), failed: value(&self.failed) }
    }
}

impl Grows for Calls {
    fn since(&self, before: &Self) -> Self {
        Self {
            served: self.served.saturating_sub(before.served),
            failed: self.failed.saturating_sub(before.failed),
        }
    }

    fn fell(&self, before: &Self) -> bool {
        self.served < before.served || self.failed < before.failed
    }
}
