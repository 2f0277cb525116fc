//! The cells of one order, all locked at once.

use parking_lot::MutexGuard;
use smallvec::SmallVec;
use tollgate_core::{Cell, Charge, Group, Now, Order, Standing};

use super::{
    Memory,
    journal::{Journal, Record},
    reservation::{CellRef, Reservation},
    shard::{MAX_NUMBER, Shard, Slot},
};
use crate::{StoreError, store::obstacles::Obstacles};

/// Guards of the shards that an order's groups are in, and each group's place in them.
pub(super) struct Locked<'a> {
    guards: Guards<'a>,
    places: Places,
}

type Guards<'a> = SmallVec<[MutexGuard<'a, Shard>; 3]>;
type Places = SmallVec<[Place; 3]>;

#[derive(Clone, Copy)]
struct Place {
    hash: u64,
    slot: Option<u32>,
    shard: u16,
    guard: u8,
}

impl<J: Journal> Memory<J> {
    /// Locks an order's cells and asks every charge whether it has room. The present that
    /// comes back is the one to decide in: no earlier than anything that was committed to
    /// these cells. Both clocks are moved, since they were read together.
    ///
    /// Each cell is asked as soon as it is locked, so that the global one, which is last,
    /// is not kept locked while a user's is fetched. What had room a moment earlier has
    /// room still; what had none is asked again.
    pub(super) fn lock_and_check(
        &self,
        order: &Order<'_>,
        mut now: Now,
    ) -> (Locked<'_>, Now, Obstacles) {
        let (mut guards, mut places) = (Guards::new(), self.places(order));
        let in_order = places.is_sorted_by_key(|place| place.shard);
        if !in_order {
            guards = self.lock_shards(&mut places);
        }
        let session = order.session();
        let mut obstacles = Obstacles::default();
        let (mut last, mut asked_from) = (u16::MAX, now.time);
        for (place, (group, charges)) in places.iter_mut().zip(order.parts()) {
            if in_order {
                self.lock_next(&mut guards, place, &mut last);
            }
            let shard = &mut *guards[usize::from(place.guard)];
            place.slot = shard.find(group.scope, &group.key, place.hash);
            let slot = place.slot.map(|slot| shard.at_mut(slot));
            if let Some(slot) = &slot {
                slot.cell.fetch();
                now = now.no_earlier(slot.cell.latest());
            }
            if obstacles.is_none() {
                asked_from = now.time;
            }
            ask(&mut obstacles, slot, charges, session, now);
        }
        let mut locked = Locked { guards, places };
        if !obstacles.is_none() && asked_from != now.time {
            obstacles = locked.check(order, now);
        }
        (locked, now, obstacles)
    }

    /// Locks an order's cells and asks nobody for room.
    pub(super) fn lock_unasked(&self, order: &Order<'_>, now: Now) -> (Locked<'_>, Now, Obstacles) {
        let locked = self.lock(order);
        let now = locked.no_earlier(now);
        (locked, now, Obstacles::default())
    }

    /// Locks the shards of an order's groups, in the order of all locks.
    pub(super) fn lock(&self, order: &Order<'_>) -> Locked<'_> {
        let mut places = self.places(order);
        let guards = self.lock_shards(&mut places);
        for (place, group) in places.iter_mut().zip(&order.groups) {
            let shard = &guards[usize::from(place.guard)];
            place.slot = shard.find(group.scope, &group.key, place.hash);
        }
        Locked { guards, places }
    }

    fn places(&self, order: &Order<'_>) -> Places {
        let mut places = Places::new();
        for Group { scope, key, .. } in &order.groups {
            let hash = self.hash_key(*scope, key);
            let shard = Self::shard_of(*scope, hash);
            places.push(Place { hash, slot: None, shard, guard: 0 });
        }
        places
    }

    /// Locks the cells of a reservation that are still there.
    pub(super) fn lock_cells(&self, reservation: &Reservation) -> Locked<'_> {
        let mut places = Places::new();
        for CellRef { shard, .. } in &reservation.cells {
            places.push(Place { hash: 0, slot: None, shard: *shard, guard: 0 });
        }
        let guards = self.lock_shards(&mut places);
        for (place, cell) in places.iter_mut().zip(&reservation.cells) {
            let is_there = guards[usize::from(place.guard)].is_at(cell.slot, cell.number);
            place.slot = is_there.then_some(cell.slot);
        }
        Locked { guards, places }
    }

    /// Locks the shards of places by number, each once, and tells each place its guard.
    fn lock_shards(&self, places: &mut [Place]) -> Guards<'_> {
        let mut guards = Guards::new();
        if places.is_sorted_by_key(|place| place.shard) {
            let mut last = u16::MAX;
            for place in places {
                self.lock_next(&mut guards, place, &mut last);
            }
            return guards;
        }
        let mut from = 0;
        // There are a few places at most, so the next shard is found by looking at all.
        while let Some(shard) = places.iter().map(|p| p.shard).filter(|s| *s >= from).min() {
            for place in places.iter_mut().filter(|place| place.shard == shard) {
                place.guard = guards.len() as u8;
            }
            guards.push(self.shards[usize::from(shard)].lock());
            from = shard + 1;
        }
        guards
    }

    /// Locks the shard of a place that comes after those in `guards`, of which it may be
    /// the last one.
    fn lock_next<'a>(&'a self, guards: &mut Guards<'a>, place: &mut Place, last: &mut u16) {
        if place.shard != *last {
            guards.push(self.shards[usize::from(place.shard)].lock());
            *last = place.shard;
        }
        place.guard = guards.len() as u8 - 1;
    }

    /// Makes the cells that an order needs and are not there yet.
    pub(super) fn make_cells(
        &self,
        locked: &mut Locked<'_>,
        order: &Order<'_>,
    ) -> Result<(), StoreError> {
        use std::sync::atomic::Ordering::Relaxed;
        for (place, group) in locked.places.iter_mut().zip(&order.groups) {
            if place.slot.is_some() {
                continue;
            }
            let most = self.bounds.max_keys;
            let number = self.next_number.load(Relaxed);
            if self.cells.load(Relaxed) >= most || number >= MAX_NUMBER {
                return Err(StoreError::Full { what: "keys with accounts", most });
            }
            self.cells.fetch_add(1, Relaxed);
            let number = self.next_number.fetch_add(1, Relaxed);
            self.journal.record(Record::Open { cell: number, scope: group.scope, key: &group.key });
            let shard = &mut locked.guards[usize::from(place.guard)];
            place.slot = Some(shard.insert(
                (group.scope, group.key.clone()),
                (number, Cell::default()),
                place.hash,
                |scope, key| self.hash_key(scope, key),
            ));
        }
        Ok(())
    }
}

impl Locked<'_> {
    /// The present, but no earlier than anything that was committed to these cells.
    pub(super) fn no_earlier(&self, now: Now) -> Now {
        let slots = self.places.iter().filter_map(|place| self.slot_ref(place));
        slots.fold(now, |now, slot| now.no_earlier(slot.cell.latest()))
    }

    /// Asks every charge whether it has room.
    fn check(&mut self, order: &Order<'_>, now: Now) -> Obstacles {
        let mut obstacles = Obstacles::default();
        for (nth, (_, charges)) in order.parts().enumerate() {
            ask(&mut obstacles, self.slot_mut(nth), charges, order.session(), now);
        }
        obstacles
    }

    pub(super) fn standings(&mut self, order: &Order<'_>, now: Now) -> SmallVec<[Standing; 8]> {
        let mut standings = SmallVec::new();
        for (nth, (_, charges)) in order.parts().enumerate() {
            let mut cell = self.slot_mut(nth).map(|slot| &mut slot.cell);
            for (nth, charge) in charges.iter().enumerate() {
                standings.push(match &mut cell {
                    Some(cell) => cell.standing(nth, charge, now),
                    None => Standing::unused(charge, now.time),
                });
            }
        }
        standings
    }

    /// The slot of the order's nth group, if it has one.
    pub(super) fn slot_mut(&mut self, nth: usize) -> Option<&mut Slot> {
        let place = self.places[nth];
        Some(self.guards[usize::from(place.guard)].at_mut(place.slot?))
    }

    /// Lets the cells be forgotten, as far as one reservation is concerned.
    pub(super) fn release(&mut self) {
        for nth in 0..self.places.len() {
            if let Some(slot) = self.slot_mut(nth) {
                slot.references -= 1;
            }
        }
    }

    /// The cell of the order's nth group, and how to find it again.
    pub(super) fn cell(&mut self, nth: usize) -> Option<(CellRef, &mut Slot)> {
        let Place { shard, slot, guard, .. } = self.places[nth];
        let found = self.guards[usize::from(guard)].at_mut(slot?);
        Some((CellRef { shard, slot: slot?, number: found.number(), charges: 0 }, found))
    }

    fn slot_ref(&self, place: &Place) -> Option<&Slot> {
        Some(self.guards[usize::from(place.guard)].at(place.slot?))
    }
}

/// Asks the charges of one cell whether they have room.
fn ask(
    obstacles: &mut Obstacles,
    slot: Option<&mut Slot>,
    charges: &[Charge],
    session: &str,
    now: Now,
) {
    let Some(slot) = slot else {
        for charge in charges {
            if let Err(retry) = charge.check_empty() {
                obstacles.add(charge, retry);
            }
        }
        return;
    };
    for (nth, charge) in charges.iter().enumerate() {
        if let Err(retry) = slot.cell.check(nth, charge, session, now) {
            obstacles.add(charge, retry);
        }
    }
}
