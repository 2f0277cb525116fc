//! How often it was decided without the shared store.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tollgate_core::policy::settings::OnStoreFailure;

/// Decisions made without the shared store, by what made them.
#[derive(Debug, Default)]
pub(in crate::store::redis) struct Failures {
    switches: AtomicU64,
    share: AtomicU64,
    open: AtomicU64,
    closed: AtomicU64,
}

/// How many decisions were made without the shared store, by what made them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreFailures {
    /// How often the store went away.
    pub switches: u64,
    /// Decided by this node's share.
    pub share: u64,
    /// Let pass.
    pub open: u64,
    /// Refused, since nothing but the store may decide.
    pub closed: u64,
}

impl Failures {
    pub(in crate::store::redis) fn count(&self, mode: OnStoreFailure) {
        let counter = match mode {
            OnStoreFailure::Share => &self.share,
            OnStoreFailure::Open => &self.open,
            OnStoreFailure::Closed => &self.closed,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(in crate::store::redis) fn count_switch(&self) {
        self.switches.fetch_add(1, Relaxed);
    }

    /// The numbers now.
    pub(in crate::store::redis) fn read(&self) -> StoreFailures {
        StoreFailures {
            switches: self.switches.load(Relaxed),
            share: self.share.load(Relaxed),
            open: self.open.load(Relaxed),
            closed: self.closed.load(Relaxed),
        }
    }
}
