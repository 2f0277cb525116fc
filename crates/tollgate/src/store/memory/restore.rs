//! How a ledger puts a store back as it was, by two threads, and writes down what has changed
//! since.

use std::{slice::ChunksMut, sync::atomic::Ordering};

use compact_str::CompactString;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use smallvec::SmallVec;
use tollgate_core::{Cell, Charge, Demand, Now, ReservationId, ScopeId, Time};

use super::{
    Memory, SHARDS,
    journal::{Journal, Record},
    reservation::{Added, CellRef, Reservation},
    shard::Shard,
};
use crate::Receipt;

/// What a ledger remembers.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) cells: Vec<RestoredCell>,
    pub(crate) reservations: Vec<RestoredReservation>,
    /// How kept ids ended, the oldest first.
    pub(crate) receipts: Vec<(ReservationId, Receipt)>,
    pub(crate) next_number: u32,
}

/// A cell as a ledger remembers it.
#[derive(Debug)]
pub(crate) struct RestoredCell {
    pub(crate) number: u32,
    /// The row up to which it holds.
    pub(crate) seq: u64,
    pub(crate) scope: ScopeId,
    pub(crate) key: CompactString,
    pub(crate) cell: Cell,
    /// Whether it has changed since its last checkpoint.
    pub(crate) is_dirty: bool,
}

/// A reservation as a ledger remembers it.
#[derive(Debug)]
pub(crate) struct RestoredReservation {
    pub(crate) id: ReservationId,
    pub(crate) expires: Time,
    pub(crate) demand: Demand,
    pub(crate) keep: bool,
    pub(crate) expired: bool,
    /// How many of the parcels were reserved; the others extended it.
    pub(crate) accounts: u8,
    pub(crate) parcels: Vec<Parcel>,
}

/// What a restored reservation holds of one account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parcel {
    /// The number of its cell.
    pub(crate) cell: u32,
    pub(crate) charge: Charge,
    pub(crate) at: Now,
}

/// How far writing down changed cells has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    shard: usize,
    block: usize,
    /// Whether any shard had this block.
    found: bool,
}

/// What one of the threads has put back.
#[derive(Debug, Default)]
struct Part {
    cells: usize,
    /// Where the cells are that reservations refer to.
    places: Vec<CellRef>,
    /// Numbers of cells that are not worth keeping.
    idle: Vec<u32>,
}

/// Cells that a thread takes at a time.
const CHUNK: usize = 1_024;

impl<J: Journal> Memory<J> {
    /// Puts back what a ledger remembers into a store that was not used yet; the numbers of
    /// cells that were left out, since they are idle and no reservation refers to them.
    pub(crate) fn restore(&mut self, remembered: Remembered, now: Now) -> Vec<u32> {
        let Remembered { mut cells, reservations, receipts, next_number } = remembered;
        *self.next_number.get_mut() = next_number;
        for shard in &mut self.shards {
            *shard.get_mut() = Shard::with_room(cells.len() / SHARDS);
        }
        let parcels = reservations.iter().flat_map(|restored| &restored.parcels);
        let referred: HashSet<u32> = parcels.map(|parcel| parcel.cell).collect();
        let chunks = &Mutex::new(cells.chunks_mut(CHUNK));
        let (memory, referred) = (&*self, &referred);
        let parts = std::thread::scope(|scope| {
            let second = scope.spawn(move || {
                receipts.into_iter().for_each(|(id, receipt)| memory.restore_receipt(id, receipt));
                memory.restore_cells(chunks, referred, now)
            });
            let first = memory.restore_cells(chunks, referred, now);
            [first, second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))]
        });
        let places = parts.iter().flat_map(|part| &part.places);
        let places: HashMap<u32, CellRef> = places.map(|place| (place.number, *place)).collect();
        for restored in reservations {
            self.restore_reservation(restored, |cell| places.get(&cell).copied());
        }
        *self.cells.get_mut() = parts.iter().map(|part| part.cells).sum();
        let mut idle = parts.map(|part| part.idle).concat();
        idle.sort_unstable();
        idle
    }

    /// Puts back cells that nobody else has taken, until there are none.
    fn restore_cells(
        &self,
        chunks: &Mutex<ChunksMut<'_, RestoredCell>>,
        referred: &HashSet<u32>,
        now: Now,
    ) -> Part {
        let mut part = Part::default();
        loop {
            let Some(chunk) = chunks.lock().next() else { return part };
            for restored in chunk {
                let is_referred = referred.contains(&restored.number);
                if !is_referred && restored.cell.is_idle(now) {
                    part.idle.push(restored.number);
                    continue;
                }
                let (place, is_new) = self.restore_cell(restored);
                part.cells += usize::from(is_new);
                if is_referred {
                    part.places.push(place);
                }
            }
        }
    }

    /// Puts back a cell, and says where; whether it is the first one of its key. Of several,
    /// the newest is the one that lives.
    fn restore_cell(&self, restored: &mut RestoredCell) -> (CellRef, bool) {
        let RestoredCell { number, seq: _, scope, key, cell, is_dirty } = restored;
        let hash = self.hash_key(*scope, key);
        let nth = Self::shard_of(*scope, hash);
        let mut shard = self.shards[usize::from(nth)].lock();
        let found = shard.find(*scope, key, hash);
        let slot = found.unwrap_or_else(|| {
            let named = (*scope, std::mem::take(key));
            let rehash = |scope, key: &str| self.hash_key(scope, key);
            shard.insert(named, (0, Cell::default()), hash, rehash)
        });
        shard.at_mut(slot).restore(*number, cell, *is_dirty);
        (CellRef { shard: nth, slot, number: *number, charges: 0 }, found.is_none())
    }

    /// Remembers how a kept id ended.
    fn restore_receipt(&self, id: ReservationId, receipt: Receipt) {
        let hash = self.hash_id(id);
        self.reservations_of(hash).lock().file(id, receipt, &|id| self.hash_id(id));
    }

    /// Expires every live reservation at once, as when whoever held them is gone.
    pub(crate) fn expire_all(&self, now: Now) -> usize {
        for shard in &self.reservations {
            for reservation in shard.lock().iter_mut().filter(|r| !r.expired) {
                reservation.expires = now.time;
            }
        }
        self.expire_now(now)
    }

    /// Every reservation that has not ended, in the order in which they were made, with what it
    /// has reserved.
    pub(crate) fn unended(&self) -> Vec<(ReservationId, Demand)> {
        let mut all = Vec::new();
        for shard in &self.reservations {
            all.extend(shard.lock().iter().map(|r| (r.at.time, r.id, r.demand)));
        }
        all.sort_unstable_by_key(|(at, id, _)| (*at, *id));
        all.into_iter().map(|(_, id, demand)| (id, demand)).collect()
    }

    /// Tells the journal the state of changed cells, a block of them at each call; how many
    /// they were, or nothing after the last block. Cells that were made at about the same
    /// time come one after the other, since they lie together in the ledger too.
    pub(crate) fn write_down(&self, progress: &mut Progress) -> Option<usize> {
        if progress.shard == self.shards.len() {
            if !progress.found {
                return None;
            }
            *progress = Progress { shard: 0, block: progress.block + 1, found: false };
        }
        let mut shard = self.shards[progress.shard].lock();
        progress.shard += 1;
        let Some(slots) = shard.block_mut(progress.block) else { return Some(0) };
        progress.found = true;
        let changed = slots.filter(|slot| slot.is_dirty()).map(|slot| {
            self.journal.record(Record::Checkpoint { cell: slot.number(), state: &slot.cell });
            slot.set_dirty(false);
        });
        Some(changed.count())
    }

    fn restore_reservation(
        &self,
        restored: RestoredReservation,
        place: impl Fn(u32) -> Option<CellRef>,
    ) {
        let RestoredReservation { id, expires, demand, keep, expired, accounts, parcels } =
            restored;
        let mut cells: SmallVec<[CellRef; 3]> = SmallVec::new();
        let (mut charges, mut added) = (SmallVec::new(), Vec::new());
        let at = parcels.first().map(|parcel| parcel.at).unwrap_or_default();
        for (nth, Parcel { cell, charge, at }) in parcels.into_iter().enumerate() {
            let known = cells.iter().position(|known| known.number == cell);
            let place_of = known.unwrap_or_else(|| {
                let gone = CellRef { shard: 0, slot: u32::MAX, number: cell, charges: 0 };
                cells.push(place(cell).unwrap_or(gone));
                cells.len() - 1
            });
            if nth < usize::from(accounts) {
                cells[place_of].charges += 1;
                charges.push(charge);
            } else {
                added.push(Added { cell: place_of as u8, charge, at });
            }
        }
        for cell in &cells {
            let mut shard = self.shards[usize::from(cell.shard)].lock();
            if shard.is_at(cell.slot, cell.number) {
                shard.at_mut(cell.slot).references += 1;
            }
        }
        let hash = self.hash_id(id);
        self.next_expiry.fetch_min(expires.as_nanos(), Ordering::Relaxed);
        let reservation = Reservation {
            id,
            expires,
            demand,
            at,
            cells,
            charges,
            added,
            keep,
            expired,
            told_by: 0,
        };
        let mut shard = self.reservations_of(hash).lock();
        shard.insert(Box::new(reservation), hash, &|id| self.hash_id(id));
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::{Kind, LimitId, Rule, Unit, Warn};

    use super::*;
    use crate::store::memory::{Bounds, Forget};

    /// A cell of the one key, of which something is held until now.
    fn busy(number: u32, now: Now) -> RestoredCell {
        let rule = Rule { kind: Kind::Window { length_ns: 1_000_000_000 }, cap: 100 };
        let (limit, unit) = (LimitId(7), Unit::Requests);
        let mut charge = Charge { limit, rule, unit, amount: 1, shadow: false, warn: Warn::NEVER };
        let mut cell = Cell::default();
        cell.hold(0, &mut charge, "", now);
        let (scope, key) = (ScopeId(1), CompactString::from("ann"));
        RestoredCell { number, seq: 1, scope, key, cell, is_dirty: false }
    }

    #[test]
    fn of_two_cells_of_one_key_the_newer_lives_whichever_comes_first() {
        let now = Now::at(Time::from_millis(1_000));
        for numbers in [[3, 4], [4, 3]] {
            let mut memory = Memory::new(Bounds::default(), Forget);
            let cells = numbers.map(|number| busy(number, now)).into();
            let remembered = Remembered { cells, next_number: 5, ..Remembered::default() };
            assert_eq!(memory.restore(remembered, now), [0; 0], "both are in use");
            assert_eq!(memory.keys(), 1);
            let hash = memory.hash_key(ScopeId(1), "ann");
            let nth = Memory::<Forget>::shard_of(ScopeId(1), hash);
            let shard = memory.shards[usize::from(nth)].lock();
            let slot = shard.find(ScopeId(1), "ann", hash).expect("a cell");
            assert_eq!(shard.at(slot).number(), 4);
        }
    }
}
