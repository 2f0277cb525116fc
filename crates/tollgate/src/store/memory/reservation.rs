//! What is held, under the id it is held by.

use std::collections::VecDeque;

use hashbrown::HashTable;
use smallvec::SmallVec;
use tollgate_core::{Charge, Demand, Now, ReservationId, Time};

use crate::Receipt;

/// The charges held under one id.
#[derive(Debug, Clone, Default)]
pub(super) struct Reservation {
    pub(super) id: ReservationId,
    pub(super) expires: Time,
    pub(super) demand: Demand,
    /// The cells of its groups.
    pub(super) cells: SmallVec<[CellRef; 3]>,
    /// One hold for each of its accounts, then those it was extended by.
    pub(super) held: SmallVec<[Held; 8]>,
    pub(super) accounts: u8,
    /// Whether the id may be asked for again after it ended.
    pub(super) keep: bool,
    /// Whether it expired: its slots are free and what it held counts as used.
    pub(super) expired: bool,
}

/// An amount held on one account.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Which of the reservation's cells.
    pub(super) group: u8,
    /// The charge.
    pub charge: Charge,
    /// When it was taken.
    pub at: Now,
    /// What it ends with; equal to the charge's amount until it ends.
    pub used: u64,
}

/// Where a cell is, as long as its number is still the one it had.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellRef {
    pub(super) shard: u16,
    pub(super) slot: u32,
    pub(super) number: u32,
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
            ended.held.clear();
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
