//! The order of service, as of now.

use std::{collections::btree_set, iter::Peekable};

use smallvec::SmallVec;

use super::{
    Priority, Room,
    fair::{Counter, Slot},
    level::Level,
};
use crate::Time;

/// A waiter that may be started now.
#[derive(Debug)]
pub struct Candidate<'a, T> {
    /// Its name in this room.
    pub id: u64,
    /// Its tenant.
    pub tenant: &'a str,
    /// How urgent it is.
    pub priority: Priority,
    /// What it expects to consume.
    pub cost: u64,
    /// Its payload.
    pub payload: &'a T,
}

/// The first waiter of each tenant in each class, in order of service.
///
/// Where one cannot be started for a reason of its own, say because another limit of its
/// tenant is full, the next may be. That costs the one who was passed over nothing: it stays
/// the first of its line, its tenant is not charged, and it is the first candidate again.
/// Those behind it in its line are no candidates, so nobody overtakes within a line.
#[derive(Debug)]
pub struct Candidates<'a, T> {
    room: &'a Room<T>,
    now: Time,
    classes: SmallVec<[Lines<'a>; 4]>,
}

/// The lines of a class that are left.
#[derive(Debug)]
struct Lines<'a> {
    level: Level,
    priority: Priority,
    order: Peekable<btree_set::Iter<'a, (Counter, u64, Slot)>>,
}

impl<T> Room<T> {
    /// Who would be started now.
    pub fn next(&self, now: Time) -> Option<Candidate<'_, T>> {
        self.candidates(now).next()
    }

    /// Who might be started now, in order of service. Each step costs the logarithm of the
    /// number of waiters, and one more step for each in line whose deadline has come.
    pub fn candidates(&self, now: Time) -> Candidates<'_, T> {
        let now = now.max(self.now);
        let lines = self.places.classes().iter().map(|class| Lines {
            level: self.level_of(class, now),
            priority: class.priority,
            order: class.order.iter().peekable(),
        });
        Candidates { room: self, now, classes: lines.collect() }
    }

    /// The first in a line whose deadline is yet to come.
    pub(super) fn head(&self, slot: Slot, priority: Priority, now: Time) -> Option<u64> {
        let lives = |id: &u64| self.waiters.get(id).is_some_and(|waiter| waiter.deadline > now);
        self.places.line(slot, priority, 0).find(lives)
    }
}

impl<'a, T> Candidates<'a, T> {
    /// The next line: classes of the same level are served as one.
    fn next_line(&mut self) -> Option<(Slot, Priority)> {
        let best = self
            .classes
            .iter_mut()
            .filter_map(|class| Some(((class.level, **class.order.peek()?), class)))
            .min_by_key(|(rank, _)| *rank);
        let (_, class) = best?;
        let (_, _, slot) = class.order.next()?;
        Some((*slot, class.priority))
    }
}

impl<'a, T> Iterator for Candidates<'a, T> {
    type Item = Candidate<'a, T>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (slot, priority) = self.next_line()?;
            if let Some(id) = self.room.head(slot, priority, self.now)
                && let Some(waiter) = self.room.waiters.get(&id)
                && let Some(tenant) = self.room.tenants.tenant(slot)
            {
                let (tenant, payload) = (tenant.name(), &waiter.payload);
                return Some(Candidate { id, tenant, priority, cost: waiter.cost, payload });
            }
        }
    }
}
