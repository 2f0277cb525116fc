//! What the shared store does not know yet: how reservations ended, and what is held
//! that was granted without it.

use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};
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
    /// Nobody waited for the answer to a question under a kept id, which may be asked again.
    Unasked { id: ReservationId },
    /// One that it may know lives on.
    Renew { id: ReservationId, expires: Time },
}

/// The entries in their order, and the live reservations that hold what the store does not know.
#[derive(Debug, Default)]
pub(in crate::store::redis) struct Outbox(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// Until when reservations live on that the store may know.
    renewed: HashMap<ReservationId, Time, foldhash::fast::RandomState>,
    /// Each with the number of the meeting, which is another one when it holds more.
    strangers: HashMap<ReservationId, u64, foldhash::fast::RandomState>,
    meetings: u64,
    /// Kept ids of which a question is to be undone.
    doubted: HashSet<ReservationId, foldhash::fast::RandomState>,
    /// How many were forgotten, since there were too many.
    forgotten: u64,
}

impl Entry {
    /// What it is about.
    pub(in crate::store::redis) const fn id(&self) -> ReservationId {
        match self {
            Self::End { id, .. } | Self::Unasked { id } | Self::Renew { id, .. } => *id,
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
        let waiting = &mut *waiting;
        if let Entry::Renew { id, expires } = entry {
            if waiting.renewed.len() < MAX_ENTRIES || waiting.renewed.contains_key(&id) {
                waiting.renewed.insert(id, expires);
            } else {
                waiting.forgotten += 1;
            }
            return;
        }
        waiting.renewed.remove(&entry.id());
        if waiting.entries.len() < MAX_ENTRIES {
            if let Entry::Unasked { id } = entry {
                waiting.doubted.insert(id);
            }
            waiting.entries.push_back(entry);
        } else {
            waiting.forgotten += 1;
        }
    }

    /// Whether a question under a kept id is to be undone.
    pub(in crate::store::redis) fn is_doubted(&self, id: ReservationId) -> bool {
        let waiting = self.0.lock();
        !waiting.doubted.is_empty() && waiting.doubted.contains(&id)
    }

    /// It is undone, or not to be any more.
    pub(in crate::store::redis) fn trust(&self, id: ReservationId) {
        let mut waiting = self.0.lock();
        if waiting.doubted.remove(&id) {
            waiting.entries.retain(|entry| *entry != Entry::Unasked { id });
        }
    }

    /// A live reservation holds what the store does not know, or may not.
    pub(in crate::store::redis) fn meet(&self, id: ReservationId) {
        self.0.lock().meet(id);
    }

    /// At which meeting it was seen last what a stranger holds; nothing if it is none.
    pub(in crate::store::redis) fn met(&self, id: ReservationId) -> Option<u64> {
        self.0.lock().strangers.get(&id).copied()
    }

    /// The store knows what a reservation held at that meeting. If it was met again since, it
    /// holds more by now and stays a stranger.
    pub(in crate::store::redis) fn part_with(&self, id: ReservationId, met: Option<u64>) {
        let mut waiting = self.0.lock();
        if waiting.strangers.get(&id).copied() == met {
            waiting.strangers.remove(&id);
        }
    }

    /// A reservation has ended. Whether it was a stranger.
    pub(in crate::store::redis) fn forget(&self, id: ReservationId) -> bool {
        self.0.lock().strangers.remove(&id).is_some()
    }

    pub(in crate::store::redis) fn is_stranger(&self, id: ReservationId) -> bool {
        let waiting = self.0.lock();
        !waiting.strangers.is_empty() && waiting.strangers.contains_key(&id)
    }

    pub(in crate::store::redis) fn strangers(&self) -> Vec<(ReservationId, u64)> {
        self.0.lock().strangers.iter().map(|(id, met)| (*id, *met)).collect()
    }

    /// How many entries wait, and how many reservations are unknown to the store.
    pub(in crate::store::redis) fn waiting(&self) -> (usize, usize) {
        let waiting = self.0.lock();
        (waiting.entries.len() + waiting.renewed.len(), waiting.strangers.len())
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
        live.into_iter().for_each(|id| waiting.meet(id));
        let mut entries = std::mem::take(&mut waiting.entries);
        let renewed = waiting.renewed.drain();
        entries.extend(renewed.map(|(id, expires)| Entry::Renew { id, expires }));
        entries
    }

    /// Puts entries that were not told back before all others.
    pub(in crate::store::redis) fn put_back(&self, mut before: VecDeque<Entry>) {
        let mut waiting = self.0.lock();
        before.retain(|entry| match entry {
            Entry::Renew { id, expires } => {
                waiting.renewed.entry(*id).or_insert(*expires);
                false
            }
            _ => true,
        });
        before.append(&mut waiting.entries);
        waiting.entries = before;
    }
}

impl Waiting {
    fn meet(&mut self, id: ReservationId) {
        self.meetings += 1;
        self.strangers.insert(id, self.meetings);
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
        assert!(outbox.is_stranger(ReservationId(9)) && outbox.forget(ReservationId(9)));
    }

    #[test]
    fn who_was_met_again_stays_a_stranger() {
        let (outbox, id) = (Outbox::default(), ReservationId(9));
        outbox.meet(id);
        let met = outbox.met(id);
        outbox.meet(id);
        outbox.part_with(id, met);
        assert!(outbox.is_stranger(id), "it holds more than was told");
        outbox.part_with(id, outbox.met(id));
        assert!(!outbox.is_stranger(id));
        outbox.part_with(id, None);
    }

    #[test]
    fn a_reservation_is_renewed_once_and_not_when_it_has_ended() {
        let outbox = Outbox::default();
        let renew =
            |nth, at| Entry::Renew { id: ReservationId(nth), expires: Time::from_millis(at) };
        for at in 0..MAX_ENTRIES as u64 + 3 {
            outbox.push(renew(1, at));
            outbox.push(renew(2, at));
        }
        outbox.push(end(2));
        let last = renew(1, MAX_ENTRIES as u64 + 2);
        assert_eq!((outbox.waiting().0, outbox.has_forgotten()), (2, false));
        let taken = outbox.cut(None);
        assert_eq!(taken, [end(2), last.clone()]);
        outbox.push(renew(1, 1 << 40));
        outbox.put_back([last].into());
        assert_eq!(outbox.cut(None), [renew(1, 1 << 40)], "the later one holds");
    }
}
