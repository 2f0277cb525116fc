//! The cells of one order, all locked at once.

use parking_lot::MutexGuard;
use smallvec::SmallVec;
use tollgate_core::{Cell, Charge, LimitId, Now, Order, Retry, Standing, Time};

use super::{
    Memory,
    journal::{Journal, Record},
    reservation::{CellRef, Reservation},
    shard::{MAX_NUMBER, Shard, Slot},
};
use crate::StoreError;

/// Guards of the shards that an order's groups are in, and each group's place in them.
pub(super) struct Locked<'a> {
    guards: SmallVec<[MutexGuard<'a, Shard>; 3]>,
    places: SmallVec<[Place; 3]>,
}

#[derive(Clone, Copy)]
struct Place {
    guard: u8,
    shard: u16,
    hash: u64,
    slot: Option<u32>,
}

/// What stands in the way of an order.
#[derive(Default)]
pub(super) struct Obstacles {
    pub(super) binding: Option<(LimitId, Retry)>,
    pub(super) shadowed: SmallVec<[LimitId; 2]>,
}

impl<J: Journal> Memory<J> {
    /// Locks the shards of an order's groups, in the order of all locks.
    pub(super) fn lock(&self, order: &Order<'_>) -> Locked<'_> {
        let mut places: SmallVec<[Place; 3]> = SmallVec::new();
        for group in &order.groups {
            let hash = self.hash_key(group.scope, &group.key);
            let shard = Self::shard_of(group.scope, hash);
            places.push(Place { guard: 0, shard, hash, slot: None });
        }
        let guards = self.lock_shards(&mut places);
        for (place, group) in places.iter_mut().zip(&order.groups) {
            let shard = &guards[usize::from(place.guard)];
            place.slot = shard.find(group.scope, &group.key, place.hash);
        }
        Locked { guards, places }
    }

    /// Locks the cells of a reservation that are still there.
    pub(super) fn lock_cells(&self, reservation: &Reservation) -> Locked<'_> {
        let mut places: SmallVec<[Place; 3]> = SmallVec::new();
        for cell in &reservation.cells {
            places.push(Place { guard: 0, shard: cell.shard, hash: 0, slot: None });
        }
        let guards = self.lock_shards(&mut places);
        for (place, cell) in places.iter_mut().zip(&reservation.cells) {
            let is_there = guards[usize::from(place.guard)].is_at(cell.slot, cell.number);
            place.slot = is_there.then_some(cell.slot);
        }
        Locked { guards, places }
    }

    /// Locks the shards of places by number, each once, and tells each place its guard.
    fn lock_shards(&self, places: &mut [Place]) -> SmallVec<[MutexGuard<'_, Shard>; 3]> {
        let mut guards = SmallVec::new();
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
    /// The present, but no earlier than anything that was committed to these cells. Both
    /// clocks are moved, since they were read together.
    pub(super) fn no_earlier(&self, now: Now) -> Now {
        let latest = |place: &Place| Some(self.slot_ref(place)?.cell.latest());
        let latest = self.places.iter().filter_map(latest).max().unwrap_or(Time::ZERO);
        Now { time: now.time.max(latest), wall: now.wall.after(latest.since(now.time)) }
    }

    /// Asks every charge whether it has room.
    pub(super) fn check(&mut self, order: &Order<'_>, now: Now) -> Obstacles {
        let mut obstacles = Obstacles::default();
        for (nth, (_, charges)) in order.parts().enumerate() {
            let mut cell = self.slot_mut(nth).map(|slot| &mut slot.cell);
            for charge in charges {
                let answer = match &mut cell {
                    Some(cell) => cell.check(charge, order.session(), now),
                    None => Cell::check_empty(charge),
                };
                if let Err(retry) = answer {
                    obstacles.add(charge, retry);
                }
            }
        }
        obstacles
    }

    pub(super) fn standings(&mut self, order: &Order<'_>, now: Now) -> SmallVec<[Standing; 8]> {
        let mut standings = SmallVec::new();
        for (nth, (_, charges)) in order.parts().enumerate() {
            let mut cell = self.slot_mut(nth).map(|slot| &mut slot.cell);
            for charge in charges {
                standings.push(match &mut cell {
                    Some(cell) => cell.standing(charge, now),
                    None => Standing {
                        limit: charge.limit,
                        cap: charge.rule.cap,
                        remaining: charge.rule.cap,
                        reset: now.time,
                    },
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

    /// How to find the cell of the nth group again.
    pub(super) fn cell_ref(&self, nth: usize) -> Option<CellRef> {
        let place = self.places[nth];
        let number = self.slot_ref(&place)?.number();
        Some(CellRef { shard: place.shard, slot: place.slot?, number })
    }

    fn slot_ref(&self, place: &Place) -> Option<&Slot> {
        Some(self.guards[usize::from(place.guard)].at(place.slot?))
    }
}

impl Obstacles {
    fn add(&mut self, charge: &Charge, retry: Retry) {
        if charge.shadow {
            self.shadowed.push(charge.limit);
            return;
        }
        self.block(charge.limit, retry);
    }

    /// The binding limit is the one that stands in the way the longest; all must yield.
    pub(super) fn block(&mut self, limit: LimitId, retry: Retry) {
        self.binding = Some(match self.binding {
            None => (limit, retry),
            Some((other, before)) => {
                let longest = if longer(retry, before) { limit } else { other };
                (longest, before.and(retry))
            }
        });
    }
}

fn longer(a: Retry, b: Retry) -> bool {
    let until = |retry| match retry {
        Retry::At(at) | Retry::NotBefore(at) => at,
        Retry::Never => Time::MAX,
    };
    until(a) > until(b)
}
