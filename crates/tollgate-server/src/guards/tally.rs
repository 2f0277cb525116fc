//! How the calls of a provider ended since the start, each try by itself, and how many run.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tollgate_core::{alert::Grows, breaker::Outcome};

use super::Known;

/// How the calls of one provider ended.
#[derive(Debug, Default)]
pub(super) struct Tally {
    served: AtomicU64,
    failed: AtomicU64,
    running: AtomicU64,
}

/// A request that was admitted and goes there, until it is dropped.
#[derive(Debug)]
pub(crate) struct Running(Arc<Known>);

/// How many calls ended well, and how many did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) served: u64,
    /// Those that failed, and those that the provider turned away, for being too many or since
    /// the gateway's key or account is not served.
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

    /// How many requests go there now.
    pub(super) fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn calls(&self) -> Calls {
        let value = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Calls { served: value(&self.served), failed: value(&self.failed) }
    }
}

impl Running {
    pub(super) fn new(known: &Arc<Known>) -> Self {
        known.tally.running.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(known))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.tally.running.fetch_sub(1, Ordering::Relaxed);
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
