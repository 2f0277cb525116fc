//! The decision: every charge of an order is granted, or none.

use std::sync::atomic::Ordering;

use smallvec::SmallVec;
use tollgate_core::{
    Admission, Amounts, Charge, Decision, Now, Order, Refusal, ReservationId, Retry, Standing,
};

use super::{
    Memory,
    journal::{Holds, Journal, Record},
    locked::Locked,
    reservation::{Added, CellRef, Reservation},
};
use crate::{StoreError, store::obstacles::Obstacles};

impl<J: Journal> Memory<J> {
    /// [`Store::reserve`](crate::Store::reserve), which never waits here.
    ///
    /// # Errors
    /// When the journal can't record it, a named maximum is reached, or its id has expired.
    pub fn reserve_now(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        self.grant(order, Some(order), now)
    }

    /// Grants an order if what is `asked` has room: the same charges, perhaps on other terms;
    /// without asking where there is nothing asked.
    pub(super) fn grant(
        &self,
        order: &Order<'_>,
        asked: Option<&Order<'_>>,
        now: Now,
    ) -> Result<Decision, StoreError> {
        self.journal.ready(|| order.must_be_remembered())?;
        if now.time.as_nanos() >= self.next_expiry.load(Ordering::Relaxed) {
            self.expire_now(now);
        }
        let id_hash = self.hash_id(order.id);
        let mut reservations = self.reservations_of(id_hash).lock();
        let before = reservations.find(order.id, id_hash);
        if before.is_some_and(|reservation| reservation.expired) {
            // Its slots are free by now, so it can't run on what it was granted.
            return Err(StoreError::Ended { id: order.id.0 });
        }
        let may_be_known = order.keep || asked.is_none();
        if may_be_known && (before.is_some() || reservations.receipt(order.id, id_hash).is_some()) {
            // The answer was lost on its way: what was granted is granted, not granted again.
            let standings = self.report(order, now);
            return Ok(Decision::Admit(Admission { standings, ..Admission::default() }));
        }
        let most = self.bounds.max_reservations;
        if reservations.len() >= most.div_ceil(self.reservations.len()) {
            return Err(StoreError::Full { what: "reservations", most });
        }
        let (mut locked, now, obstacles) = match asked {
            Some(asked) => self.lock_and_check(asked, now),
            None => self.lock_unasked(order, now),
        };
        if let Some((limit, retry)) = obstacles.binding {
            return Ok(refuse(&mut locked, order, now, (limit, retry), obstacles));
        }
        self.make_cells(&mut locked, order)?;
        let reservation = self.hold(reservations.blank(), &mut locked, order, now);
        reservations.insert(reservation, id_hash, &|id| self.hash_id(id));
        let expires = order.expires.as_nanos();
        if expires < self.next_expiry.load(Ordering::Relaxed) {
            self.next_expiry.fetch_min(expires, Ordering::Relaxed);
        }
        let standings = if order.report { locked.standings(order, now) } else { SmallVec::new() };
        Ok(Decision::Admit(Admission { standings, shadowed: obstacles.shadowed }))
    }

    /// [`Store::check`](crate::Store::check), which never waits here.
    pub fn check_now(&self, order: &Order<'_>, now: Now) -> Decision {
        let (mut locked, now, obstacles) = self.lock_and_check(order, now);
        match obstacles.binding {
            Some(binding) => refuse(&mut locked, order, now, binding, obstacles),
            None => Decision::Admit(Admission {
                standings: if order.report {
                    locked.standings(order, now)
                } else {
                    SmallVec::new()
                },
                shadowed: obstacles.shadowed,
            }),
        }
    }

    /// [`Store::standings`](crate::Store::standings), which never waits here.
    pub fn standings_now(&self, order: &Order<'_>, now: Now) -> SmallVec<[Standing; 8]> {
        let mut locked = self.lock(order);
        let now = locked.no_earlier(now);
        locked.standings(order, now)
    }

    /// [`Store::extend`](crate::Store::extend), which never waits here.
    ///
    /// # Errors
    /// When there is no such live reservation or the journal can't record it.
    pub fn extend_now(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        self.extend_on(id, more, |_, charge| Some(*charge), now)
    }

    /// Extends a reservation if what is asked in the place of each charge has room, with the
    /// number of the charge: nothing where it is not asked.
    pub(super) fn extend_on(
        &self,
        id: ReservationId,
        more: &Amounts,
        asked: impl Fn(usize, &Charge) -> Option<Charge>,
        now: Now,
    ) -> Result<Decision, StoreError> {
        let id_hash = self.hash_id(id);
        let mut reservations = self.reservations_of(id_hash).lock();
        let Some(reservation) = reservations.find_mut(id, id_hash) else {
            return Err(StoreError::Unknown { id: id.0 });
        };
        if reservation.expired {
            return Err(StoreError::Ended { id: id.0 });
        }
        let must = |(_, charge): (usize, &Charge)| charge.must_be_remembered();
        self.journal.ready(|| reservation.accounts().any(must))?;
        let mut cells = self.lock_cells(reservation);
        let now = cells.no_earlier(now);
        let mut obstacles = Obstacles::default();
        let mut added: Vec<Added> = Vec::with_capacity(reservation.charges.len());
        for (nth, (cell, charge)) in reservation.accounts().enumerate() {
            let amount = if charge.rule.kind.is_slot() { 0 } else { more.of(charge.unit) };
            let charge = Charge { amount, ..*charge };
            let Some(slot) = cells.slot_mut(cell) else { continue };
            if amount == 0 {
                continue;
            }
            if let Some(asked) = asked(nth, &charge)
                && let Err(retry) = slot.cell.check(0, &asked, "", now)
            {
                obstacles.add(&charge, retry);
            }
            added.push(Added { cell: cell as u8, charge, at: now });
        }
        if let Some((limit, retry)) = obstacles.binding {
            let mut standings = SmallVec::new();
            for Added { cell, charge, .. } in &added {
                let slot = cells.slot_mut(usize::from(*cell));
                standings.extend(slot.map(|slot| slot.cell.standing(0, charge, now)));
            }
            let shadowed = obstacles.shadowed;
            return Ok(Decision::Refuse(Refusal { limit, retry, standings, shadowed }));
        }
        for added in &mut added {
            if let Some(slot) = cells.slot_mut(usize::from(added.cell)) {
                slot.cell.hold(0, &mut added.charge, "", now);
                slot.set_dirty(true);
            }
        }
        let held = Holds { cells: &reservation.cells, charges: &[], added: &added, shares: None };
        self.journal.record(Record::Extend { id, now, more, held });
        reservation.told_by = 0;
        reservation.demand = reservation.demand.plus(more);
        reservation.added.extend(added);
        let shadowed = obstacles.shadowed;
        Ok(Decision::Admit(Admission { standings: SmallVec::new(), shadowed }))
    }

    fn report(&self, order: &Order<'_>, now: Now) -> SmallVec<[Standing; 8]> {
        if order.report { self.standings_now(order, now) } else { SmallVec::new() }
    }

    fn hold(
        &self,
        mut reservation: Box<Reservation>,
        locked: &mut Locked<'_>,
        order: &Order<'_>,
        now: Now,
    ) -> Box<Reservation> {
        reservation.id = order.id;
        reservation.expires = order.expires;
        reservation.demand = order.demand;
        reservation.at = now;
        reservation.keep = order.keep;
        reservation.expired = false;
        reservation.charges.extend_from_slice(&order.charges);
        let session = order.session();
        let mut rest = reservation.charges.as_mut_slice();
        for (nth, group) in order.groups.iter().enumerate() {
            let (own, others) = rest.split_at_mut(usize::from(group.charges));
            rest = others;
            let Some((cell, slot)) = locked.cell(nth) else { continue };
            reservation.cells.push(CellRef { charges: group.charges, ..cell });
            slot.references += 1;
            slot.set_dirty(true);
            for (nth, charge) in own.iter_mut().enumerate() {
                slot.cell.hold(nth, charge, session, now);
            }
        }
        let Reservation { cells, charges, .. } = &*reservation;
        reservation.told_by = self.journal.record(Record::Reserve {
            id: order.id,
            now,
            expires: order.expires,
            attributes: order.attributes,
            demand: &order.demand,
            keep: order.keep,
            held: Holds { cells, charges, added: &[], shares: None },
        });
        reservation
    }
}

fn refuse(
    locked: &mut Locked<'_>,
    order: &Order<'_>,
    now: Now,
    (limit, retry): (tollgate_core::LimitId, Retry),
    obstacles: Obstacles,
) -> Decision {
    let standings = if order.report { locked.standings(order, now) } else { SmallVec::new() };
    Decision::Refuse(Refusal { limit, retry, standings, shadowed: obstacles.shadowed })
}
