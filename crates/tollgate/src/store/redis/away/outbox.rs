//! What the shared store does not know yet: how reservations ended, and what is held
//! that was granted without it.

use std::collections::VecDeque;

use hashbrown::HashSet;
use parking_lot::Mutex;
use tollgate_core::{ReservationId, Time, Usage};

use crate::store::memory::{End, Holding};

/// Something that the shared store is to be told. Each may be told more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store::redis) enum Entry {
    /// A reservation that it may know has ended.
    End { id: ReservationId, how: End, usage: Usage },
    /// One has ended that held what it does not know: that is told first.
    Made { held: Box<Holding>, how: End, usage: Usage },
    /// One that it may know lives on.
    Renew { id: ReservationId, expires: Time },
}

/// The entries in their order, and the live reservations that hold what the store does not know.
#[derive(Debug, Default)]
pub(in crate::store::redis) struct Outbox(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    strangers: HashSet<ReservationId, foldhash::fast::RandomState>,
    /// How many were forgotten, since there were too many.
    forgotten: u64,
}

impl Entry {
    /// What it is about.
    pub(in crate::store::redis) const fn id(&self) -> ReservationId {
        match self {
            Self::End { id, .. } | Self::Renew { id, .. } => *id,
            Self::Made { held, .. } => held.id,
        }
    }
}

/// Entries that wait at most. Of what is beyond, the money is told by the counters of this
/// node's books, and rates are kept again before long.
const MAX_ENTRIES: usize = 262_144;

impl Outbox {
    pub(in crate::store::redis) fn push(&self, entry: Entry) {
        let mut waiting = self.0.lock();
        if waiting.entries.len() < MAX_ENTRIES {
            waiting.entries.push_back(entry);
        } else {
            waiting.forgotten += 1;
        }
    }

    /// A live reservation holds what the store does not know, or may not.
    pub(in crate::store::redis) fn meet(&self, id: ReservationId) {
        self.0.lock().strangers.insert(id);
    }

    /// The store knows a reservation now, or it has ended. Whether it was a stranger.
    pub(in crate::store::redis) fn part_with(&self, id: ReservationId) -> bool {
        self.0.lock().strangers.remove(&id)
    }

    pub(in crate::store::redis) fn is_stranger(&self, id: ReservationId) -> bool {
        let waiting = self.0.lock();
        !waiting.strangers.is_empty() && waiting.strangers.contains(&id)
    }

    pub(in crate::store::redis) fn strangers(&self) -> Vec<ReservationId> {
        self.0.lock().strangers.iter().copied().collect()
    }

    /// How many entries wait, and how many reservations are unknown to the store.
    pub(in crate::store::redis) fn waiting(&self) -> (usize, usize) {
        let waiting = self.0.lock();
        (waiting.entries.len(), waiting.strangers.len())
    }

    /// How many entries were forgotten since it was asked before.
    pub(in crate::store::redis) fn take_forgotten(&self) -> u64 {
        std::mem::take(&mut self.0.lock().forgotten)
    }

    /// Whether any was forgotten.
    pub(in crate::store::redis) fn has_forgotten(&self) -> bool {
        self.0.lock().forgotten > 0
    }

    /// Takes all entries out, and counts all that live as strangers from now on.
    pub(in crate::store::redis) fn cut(
        &self,
        live: impl IntoIterator<Item = ReservationId>,
    ) -> VecDeque<Entry> {
        let mut waiting = self.0.lock();
        waiting.strangers.extend(live);
        std::mem::take(&mut waiting.entries)
    }

    /// Puts entries that were not told back before all others.
    pub(in crate::store::redis) fn put_back(&self, mut before: VecDeque<Entry>) {
        let mut waiting = self.0.lock();
        before.append(&mut waiting.entries);
        waiting.entries = before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(nth: u64) -> Entry {
        let id = ReservationId(u128::from(nth));
        Entry::End { id, how: End::Void, usage: Usage::default() }
    }

    #[test]
    fn it_is_bounded_and_counts_what_it_forgot() {
        let outbox = Outbox::default();
        for nth in 0..MAX_ENTRIES as u64 + 3 {
            outbox.push(end(nth));
        }
        assert!(outbox.has_forgotten());
        assert_eq!((outbox.waiting().0, outbox.take_forgotten()), (MAX_ENTRIES, 3));
        assert_eq!((outbox.cut(None).pop_front(), outbox.take_forgotten()), (Some(end(0)), 0));
    }

    #[test]
    fn what_was_not_told_comes_before_what_came_later() {
        let outbox = Outbox::default();
        for nth in [1, 2] {
            outbox.push(end(nth));
        }
        let mut taken = outbox.cut([ReservationId(9)]);
        outbox.push(end(3));
        taken.pop_front();
        outbox.put_back(taken);
        assert_eq!(outbox.cut(None), [end(2), end(3)]);
        assert!(outbox.is_stranger(ReservationId(9)) && outbox.part_with(ReservationId(9)));
    }
}
