//! What is held, under the id it is held by.

use std::collections::VecDeque;

use hashbrown::HashTable;
use smallvec::SmallVec;
use tollgate_core::{Charge, Demand, Now, ReservationId, Time, Unit, Usage};

use super::journal::End;
use crate::Receipt;

/// The charges held under one id.
#[derive(Debug, Clone, Default)]
pub(super) struct Reservation {
    pub(super) id: ReservationId,
    pub(super) expires: Time,
    pub(super) demand: Demand,
    /// When it was made.
    pub(super) at: Now,
    pub(super) cells: SmallVec<[CellRef; 3]>,
    /// What it was made with, in the order of its cells.
    pub(super) charges: SmallVec<[Charge; 8]>,
    /// What it was extended by.
    pub(super) added: Vec<Added>,
    /// Whether the id may be asked for again after it ended.
    pub(super) keep: bool,
    /// Whether it expired: its slots are free and what it held counts as used.
    pub(super) expired: bool,
    /// The number of the journal's record that tells all of it; 0 where several do.
    pub(super) told_by: u64,
}

/// Where a cell is, as long as its number is still the one it had.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellRef {
    pub(super) slot: u32,
    pub(super) number: u32,
    pub(super) shard: u16,
    /// How many of the reservation's charges are its own.
    pub(super) charges: u8,
}

/// What a reservation was extended by on one account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Added {
    /// Which of the reservation's cells.
    pub(super) cell: u8,
    pub(super) charge: Charge,
    pub(super) at: Now,
}

/// What each parcel of a reservation ends with.
#[derive(Debug)]
pub(super) struct Shares<'a> {
    how: End,
    usage: &'a Usage,
    /// For each charge, then for each addition, where there are any: what was taken of one
    /// account in several parcels is used up in their order, the last one bears an overrun.
    parcels: Vec<u64>,
}

/// The reservations of one shard of ids, and the receipts of those that ended.
#[derive(Debug, Default)]
pub(super) struct Reservations {
    live: HashTable<Box<Reservation>>,
    /// Ended ones, whose room the next ones take.
    #[allow(clippy::vec_box, reason = "the boxes are what is kept")]
    spare: Vec<Box<Reservation>>,
    receipts: HashTable<(ReservationId, Receipt)>,
    /// Receipts in the order in which they will be forgotten.
    oldest: VecDeque<ReservationId>,
}

/// Receipts kept per shard of ids.
pub(super) const MAX_RECEIPTS: usize = 16_384;

/// Ended reservations whose room is kept, per shard of ids.
const MAX_SPARE: usize = 16;

/// Ids are chosen by callers, so they are mixed with a key before they pick a bucket.
pub(super) type IdHash<'a> = &'a dyn Fn(ReservationId) -> u64;

impl Reservation {
    /// The charges by cell: which of the cells, and which charges.
    pub(super) fn parts(&self) -> impl Iterator<Item = (usize, &[Charge])> {
        let mut rest = self.charges.as_slice();
        self.cells.iter().enumerate().map(move |(place, cell)| {
            let (own, others) = rest.split_at(usize::from(cell.charges).min(rest.len()));
            rest = others;
            (place, own)
        })
    }

    /// Shares what was used among what was held.
    pub(super) fn share_out<'a>(&self, how: End, usage: &'a Usage) -> Shares<'a> {
        let mut shares = Shares { how, usage, parcels: Vec::new() };
        if !self.added.is_empty() {
            let added = self.added.iter().map(|added| &added.charge);
            let whole = self.charges.iter().chain(added).map(|charge| shares.whole(charge));
            shares.parcels = whole.collect();
            if matches!(how, End::Settle | End::Estimate) {
                self.share_parcels(&mut shares.parcels);
            }
        }
        shares
    }

    /// Shares what was used of an account, which each of its parcels says now, among them.
    fn share_parcels(&self, used: &mut [u64]) {
        for (place, (cell, charge)) in self.accounts().enumerate() {
            if charge.unit == Unit::Requests {
                continue;
            }
            let (mut left, mut last) = (used[place], place);
            used[place] = left.min(charge.amount);
            left -= used[place];
            for (nth, added) in self.added.iter().enumerate() {
                if usize::from(added.cell) == cell && added.charge.limit == charge.limit {
                    last = self.charges.len() + nth;
                    used[last] = left.min(added.charge.amount);
                    left -= used[last];
                }
            }
            used[last] += left;
        }
    }

    /// Every charge it was made with, with the place of its cell.
    pub(super) fn accounts(&self) -> impl Iterator<Item = (usize, &Charge)> {
        self.parts().flat_map(|(place, charges)| charges.iter().map(move |charge| (place, charge)))
    }
}

impl Shares<'_> {
    /// What the nth parcel, a charge or an addition, ends with.
    #[inline]
    pub(super) fn of(&self, nth: usize, charge: &Charge) -> u64 {
        if self.parcels.is_empty() { self.whole(charge) } else { self.parcels[nth] }
    }

    #[inline]
    fn whole(&self, charge: &Charge) -> u64 {
        self.how.used((charge.unit, charge.amount), self.usage)
    }
}

impl End {
    /// What is used of so much that was held of a unit.
    #[inline]
    pub(crate) fn used(self, (unit, held): (Unit, u64), usage: &Usage) -> u64 {
        match (self, unit) {
            (Self::Void, _) => 0,
            (Self::Expire, _) | (_, Unit::Requests) => held,
            (Self::Settle | Self::Estimate, unit) => usage.of(unit),
        }
    }
}

impl Reservations {
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn find(&self, id: ReservationId, hash: u64) -> Option<&Reservation> {
        self.live.find(hash, |r| r.id == id).map(|boxed| &**boxed)
    }

    pub(super) fn find_mut(&mut self, id: ReservationId, hash: u64) -> Option<&mut Reservation> {
        self.live.find_mut(hash, |r| r.id == id).map(|boxed| &mut **boxed)
    }

    pub(super) fn insert(&mut self, reservation: Box<Reservation>, hash: u64, rehash: IdHash<'_>) {
        self.live.insert_unique(hash, reservation, |r| rehash(r.id));
    }

    /// A reservation to be filled in, with room from one that has ended if there is any.
    pub(super) fn blank(&mut self) -> Box<Reservation> {
        self.spare.pop().unwrap_or_default()
    }

    /// Keeps the room of a reservation that has ended for a next one.
    pub(super) fn recycle(&mut self, mut ended: Box<Reservation>) {
        if self.spare.len() < MAX_SPARE {
            ended.cells.clear();
            ended.charges.clear();
            ended.added.clear();
            self.spare.push(ended);
        }
    }

    pub(super) fn remove(&mut self, id: ReservationId, hash: u64) -> Option<Box<Reservation>> {
        let entry = self.live.find_entry(hash, |r| r.id == id).ok()?;
        Some(entry.remove().0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Reservation> {
        self.live.iter().map(|boxed| &**boxed)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Reservation> {
        self.live.iter_mut().map(|boxed| &mut **boxed)
    }

    pub(super) fn receipt(&self, id: ReservationId, hash: u64) -> Option<Receipt> {
        self.receipts.find(hash, |(other, _)| *other == id).map(|(_, receipt)| *receipt)
    }

    /// Remembers how an id ended; the oldest receipt is forgotten beyond the maximum.
    pub(super) fn file(&mut self, id: ReservationId, receipt: Receipt, rehash: IdHash<'_>) {
        if self.oldest.len() == MAX_RECEIPTS
            && let Some(old) = self.oldest.pop_front()
            && let Ok(entry) = self.receipts.find_entry(rehash(old), |(other, _)| *other == old)
        {
            entry.remove();
        }
        self.oldest.push_back(id);
        self.receipts.insert_unique(rehash(id), (id, receipt), |(other, _)| rehash(*other));
    }
}
