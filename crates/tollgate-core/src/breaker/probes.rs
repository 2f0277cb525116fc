//! The probes of a half-open breaker, each with a lease that ends.

use std::time::Duration;

use crate::Time;

/// The most probes at once.
pub const MAX_PROBES: u32 = 100;

#[derive(Debug, Clone, Default)]
pub(super) struct Probes {
    leases: Vec<Lease>,
    pub(super) successes: u32,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    id: u64,
    ends: Time,
}

impl Probes {
    pub(super) fn begin(&mut self, id: u64, lease: Duration, now: Time) {
        self.leases.push(Lease { id, ends: now.after(lease) });
    }

    /// Whether it was on its way.
    pub(super) fn end(&mut self, id: u64) -> bool {
        let place = self.leases.iter().position(|lease| lease.id == id);
        place.map(|place| self.leases.swap_remove(place)).is_some()
    }

    pub(super) fn renew(&mut self, id: u64, lease: Duration, now: Time) {
        if let Some(held) = self.leases.iter_mut().find(|held| held.id == id) {
            held.ends = held.ends.max(now.after(lease));
        }
    }

    pub(super) fn outstanding(&self) -> u32 {
        u32::try_from(self.leases.len()).unwrap_or(u32::MAX)
    }

    /// When the first of the leases ends; never where there is none.
    pub(super) fn first_end(&self) -> Time {
        self.leases.iter().map(|lease| lease.ends).min().unwrap_or(Time::MAX)
    }
}
