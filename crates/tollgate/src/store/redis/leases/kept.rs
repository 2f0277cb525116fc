//! What this node has admitted by its leases, until it ends.

use std::collections::HashMap;

use tollgate_core::{Amounts, Demand, Order, ReservationId, Time, Unit, Usage};

use super::book::{Book, Parcels};
use crate::{
    Receipt, StoreError,
    store::memory::{End, LATE},
};

/// A reservation's part that is decided here.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) parcels: Parcels,
    /// Whether the rest of it is in the shared store.
    pub(super) has_rest: bool,
    demand: Demand,
    expires: Time,
}

/// All of them, by id.
#[derive(Debug, Default)]
pub(super) struct Reservations(HashMap<ReservationId, Kept>);

impl Kept {
    pub(super) const fn new(parcels: Parcels, has_rest: bool, order: &Order<'_>) -> Self {
        Self { parcels, has_rest, demand: order.demand, expires: order.expires }
    }

    /// Ends its parcels: what was used of an account is shared out in their order, the last one
    /// bears an overrun.
    pub(super) fn end(&self, how: End, usage: &Usage, book: &mut Book, now: Time) {
        for (nth, parcel) in self.parcels.iter().enumerate() {
            let (unit, held) = (parcel.charge.unit, parcel.charge.amount);
            let same = |other: &&super::book::Parcel| other.name == parcel.name;
            let before: u64 =
                self.parcels[..nth].iter().filter(same).map(|other| other.charge.amount).sum();
            let is_last = !self.parcels[nth + 1..].iter().any(|other| same(&other));
            let used = match (how, unit) {
                (End::Settle | End::Estimate, unit) if unit != Unit::Requests => {
                    let left = usage.of(unit).saturating_sub(before);
                    if is_last { left } else { left.min(held) }
                }
                _ => how.used((unit, held), usage),
            };
            book.settle(parcel, used, now);
        }
    }

    /// What it is told that ended so, where the shared store does not know it.
    pub(super) fn receipt(&self, how: End, usage: &Usage) -> Receipt {
        let mut usage = *usage;
        if how != End::Void {
            usage.requests = self.demand.requests;
        }
        Receipt { usage, overrun: usage.beyond(&self.demand) }
    }

    pub(super) const fn add(&mut self, more: &Amounts) {
        self.demand = self.demand.plus(more);
    }
}

impl Reservations {
    pub(super) fn insert(&mut self, id: ReservationId, kept: Kept) {
        self.0.insert(id, kept);
    }

    pub(super) fn remove(&mut self, id: ReservationId) -> Option<Kept> {
        self.0.remove(&id)
    }

    pub(super) fn has_rest(&self, id: ReservationId) -> Option<bool> {
        self.0.get(&id).map(|kept| kept.has_rest)
    }

    /// Forgets all of them.
    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The live one of this id, if it is here.
    ///
    /// # Errors
    /// When it has expired.
    pub(super) fn live(
        &mut self,
        id: ReservationId,
        now: Time,
    ) -> Result<Option<&mut Kept>, StoreError> {
        match self.0.get_mut(&id) {
            Some(kept) if kept.expires <= now => Err(StoreError::Ended { id: id.0 }),
            kept => Ok(kept),
        }
    }

    /// Keeps one from expiring until then.
    pub(super) fn renew(
        &mut self,
        id: ReservationId,
        expires: Time,
        now: Time,
    ) -> Result<Option<bool>, StoreError> {
        let kept = self.live(id, now)?;
        Ok(kept.map(|kept| {
            kept.expires = expires;
            kept.has_rest
        }))
    }

    /// Forgets those that expired long ago: what they held counts as used.
    pub(super) fn forget(&mut self, now: Time) {
        self.0.retain(|_, kept| now < kept.expires.after(LATE));
    }

    /// Those that are here alone and expired by now, and after `before`.
    pub(super) fn expired(&self, before: Time, now: Time) -> usize {
        let is_due = |kept: &&Kept| !kept.has_rest && before < kept.expires && kept.expires <= now;
        self.0.values().filter(is_due).count()
    }
}
