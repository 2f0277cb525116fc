//! The second line: who waits for a place. First come, first placed, of those whose tenant
//! may have one.

use std::collections::BTreeSet;

use super::fair::Slot;

/// Waiters without a place.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    lines: BTreeSet<(Slot, u64)>,
    /// The first of each line whose tenant may have a place.
    ready: BTreeSet<(u64, Slot)>,
}

impl Blocked {
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Who gets the next place.
    pub(super) fn first(&self) -> Option<u64> {
        Some(self.ready.first()?.0)
    }

    /// How many came before `id`. It counts them, one by one.
    pub(super) fn before(&self, id: u64) -> usize {
        self.lines.iter().filter(|(_, other)| *other < id).count()
    }

    pub(super) fn tenants(&self) -> BTreeSet<Slot> {
        self.lines.iter().map(|(slot, _)| *slot).collect()
    }

    /// Adds the last waiter of all. `fits`: whether its tenant may have a place.
    pub(super) fn push(&mut self, slot: Slot, id: u64, fits: bool) {
        self.lines.insert((slot, id));
        self.refresh(slot, fits);
    }

    pub(super) fn remove(&mut self, slot: Slot, id: u64, fits: bool) {
        self.lines.remove(&(slot, id));
        self.ready.remove(&(id, slot));
        self.refresh(slot, fits);
    }

    /// Whether the tenant may have a place may have changed.
    pub(super) fn refresh(&mut self, slot: Slot, fits: bool) {
        let Some((_, first)) = self.lines.range((slot, 0)..=(slot, u64::MAX)).next() else {
            return;
        };
        if fits {
            self.ready.insert((*first, slot));
        } else {
            self.ready.remove(&(*first, slot));
        }
    }
}
