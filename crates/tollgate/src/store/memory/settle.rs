//! How reservations end: settled, voided, or expired and then perhaps settled late.

use std::sync::atomic::Ordering;

use tollgate_core::{Amounts, Charge, Ending, Now, ReservationId, Time, Usage};

use super::{
    Memory, SWEPT,
    journal::{End, Holds, Journal, Record},
    reservation::{Added, Reservation},
};
use crate::{Receipt, StoreError};

/// How long an expired reservation waits for a late settlement.
pub(crate) const LATE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

impl<J: Journal> Memory<J> {
    /// [`Store::settle`](crate::Store::settle), which never waits here.
    ///
    /// # Errors
    /// When no such reservation is known.
    pub fn settle_now(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.end(id, End::Settle, usage, now)
    }

    /// [`Store::settle_estimated`](crate::Store::settle_estimated), which never waits here.
    ///
    /// # Errors
    /// When no such reservation is known.
    pub fn settle_estimated_now(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.end(id, End::Estimate, usage, now)
    }

    /// [`Store::void`](crate::Store::void), which never waits here.
    ///
    /// # Errors
    /// When no such reservation is known.
    pub fn void_now(&self, id: ReservationId, now: Now) -> Result<Receipt, StoreError> {
        self.end(id, End::Void, &Usage::default(), now)
    }

    /// [`Store::renew`](crate::Store::renew), which never waits here.
    ///
    /// # Errors
    /// When there is no such live reservation.
    pub fn renew_now(&self, id: ReservationId, expires: Time) -> Result<(), StoreError> {
        let hash = self.hash_id(id);
        let mut reservations = self.reservations_of(hash).lock();
        let Some(reservation) = reservations.find_mut(id, hash) else {
            let ended = reservations.receipt(id, hash).is_some();
            return Err(if ended {
                StoreError::Ended { id: id.0 }
            } else {
                StoreError::Unknown { id: id.0 }
            });
        };
        if reservation.expired {
            return Err(StoreError::Ended { id: id.0 });
        }
        reservation.expires = expires;
        self.next_expiry.fetch_min(expires.as_nanos(), Ordering::Relaxed);
        self.journal.record(Record::Renew { id, expires });
        reservation.told_by = 0;
        Ok(())
    }

    /// [`Store::expire`](crate::Store::expire), which never waits here.
    pub fn expire_now(&self, now: Now) -> usize {
        let mut expired = 0;
        // Set first, so that a reservation made meanwhile lowers it again.
        self.next_expiry.store(u64::MAX, Ordering::Relaxed);
        let mut next = u64::MAX;
        for shard in &self.reservations {
            let mut reservations = shard.lock();
            let due = |r: &&Reservation| r.expires <= now.time;
            let due: Vec<_> = reservations.iter().filter(due).map(|r| (r.id, r.expired)).collect();
            for (id, late) in due {
                let hash = self.hash_id(id);
                if late {
                    if let Some(forgotten) = reservations.remove(id, hash) {
                        self.lock_cells(&forgotten).release();
                    }
                } else if let Some(reservation) = reservations.find_mut(id, hash) {
                    self.expire_one(reservation, now);
                    expired += 1;
                }
            }
            let soonest = reservations.iter().map(|r| r.expires.as_nanos()).min();
            next = next.min(soonest.unwrap_or(u64::MAX));
        }
        self.next_expiry.fetch_min(next, Ordering::Relaxed);
        self.forget_idle(now);
        expired
    }

    fn end(
        &self,
        id: ReservationId,
        how: End,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        let hash = self.hash_id(id);
        let mut reservations = self.reservations_of(hash).lock();
        let Some(reservation) = reservations.remove(id, hash) else {
            return reservations.receipt(id, hash).ok_or(StoreError::Unknown { id: id.0 });
        };
        let mut usage = *usage;
        if how != End::Void {
            usage.requests = reservation.demand.requests;
        }
        let overrun = usage.beyond(&reservation.demand);
        let receipt = Receipt { usage, overrun };
        self.end_holds(&reservation, how, &receipt, now);
        if reservation.keep {
            reservations.file(id, receipt, &|id| self.hash_id(id));
        }
        reservations.recycle(reservation);
        Ok(receipt)
    }

    fn expire_one(&self, reservation: &mut Reservation, now: Now) {
        let receipt = Receipt { usage: reservation.demand, overrun: Amounts::default() };
        self.end_holds(reservation, End::Expire, &receipt, now);
        reservation.expired = true;
        reservation.told_by = 0;
        reservation.expires = now.time.after(LATE);
    }

    fn end_holds(&self, reservation: &Reservation, how: End, receipt: &Receipt, now: Now) {
        let mut locked = self.lock_cells(reservation);
        let now = locked.no_earlier(now);
        let Reservation { id, at, ref cells, ref charges, ref added, expired, .. } = *reservation;
        let told_by = if reservation.keep { 0 } else { reservation.told_by };
        let shares = reservation.share_out(how, &receipt.usage);
        let ending = |nth, charge: &Charge, at| Ending {
            held: charge.amount,
            used: shares.of(nth, charge),
            at,
            expired,
        };
        let mut from = 0;
        for (place, own) in reservation.parts() {
            if let Some(slot) = locked.slot_mut(place) {
                for (nth, charge) in own.iter().enumerate() {
                    let ending = ending(from + nth, charge, at);
                    if let Some(crossed) = slot.cell.settle(nth, charge, &ending, now) {
                        self.crossings.note(charge, crossed, &slot.key, now);
                    }
                }
                slot.set_dirty(true);
                slot.references -= u32::from(how != End::Expire);
            }
            from += own.len();
        }
        for (nth, Added { cell, charge, at }) in added.iter().enumerate() {
            let ending = ending(charges.len() + nth, charge, *at);
            if let Some(slot) = locked.slot_mut(usize::from(*cell))
                && let Some(crossed) = slot.cell.settle(0, charge, &ending, now)
            {
                self.crossings.note(charge, crossed, &slot.key, now);
            }
        }
        let held = Holds { cells, charges, added, shares: Some(&shares) };
        let Receipt { usage, overrun } = receipt;
        self.journal.record(Record::End { id, now, how, usage, overrun, held, told_by });
    }

    /// Forgets idle cells of a few shards, and goes on with the next ones the next time.
    fn forget_idle(&self, now: Now) {
        let from = self.sweep.fetch_add(SWEPT, Ordering::Relaxed);
        for nth in from..from + SWEPT {
            let mut shard = self.shards[nth % self.shards.len()].lock();
            let forgotten = shard.forget_idle(now, |cell| {
                self.journal.record(Record::Close { cell });
            });
            self.cells.fetch_sub(forgotten, Ordering::Relaxed);
        }
    }
}
