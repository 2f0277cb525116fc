//! Where a waiter stands, and how long it may take.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use super::{
    Priority, Room, Work,
    fair::{Counter, Slot, charge},
    level::Level,
};
use crate::Time;

/// The starts to come, if they all happened now and nobody came or went.
struct Rehearsal<'a, T> {
    room: &'a Room<T>,
    classes: Vec<Act>,
    /// The counters that starts have changed.
    counters: BTreeMap<Slot, Counter>,
}

/// A class in a rehearsal.
struct Act {
    level: Level,
    priority: Priority,
    /// The first of each line. A counter may be older than its tenant's, but never larger.
    heads: BinaryHeap<Reverse<(Counter, u64, Slot)>>,
}

impl<T> Room<T> {
    /// The place of a waiter: 1 for the next one to be started, if starts followed each
    /// other from now on and nobody came or went. In the second line it counts from the end
    /// of the first. Who stands aside has none.
    ///
    /// It rehearses the starts: `O(n log n)` for `n` waiters in front, with memory for each
    /// tenant.
    pub fn place(&self, id: u64, now: Time) -> Option<usize> {
        let waiter = self.waiters.get(&id)?;
        if waiter.blocked {
            return Some(self.places.competing() + self.blocked.before(id) + 1);
        }
        if waiter.aside {
            return None;
        }
        Rehearsal::new(self, now.max(self.now)).position(|started| started == id).map(|at| at + 1)
    }

    /// How long a waiter is expected to wait from now on, by its place and the starts that
    /// were observed; `None` while too few were. It costs as much as [`Room::place`].
    pub fn estimate(&self, id: u64, now: Time) -> Option<Duration> {
        let now = now.max(self.now);
        self.pace.wait(1, now)?;
        self.pace.wait(self.place(id, now)?, now)
    }

    /// How long such an arrival is expected to wait; `None` while too few starts were
    /// observed. It presumes that all requests cost the same, and so takes constant time: it
    /// waits for the classes more urgent than its own, and in its own class for its tenant's
    /// share.
    pub fn forecast(&self, work: &Work, priority: Priority, now: Time) -> Option<Duration> {
        let now = now.max(self.now);
        let mine = self.level_on_arrival(priority, now);
        let mut urgent = 0;
        let mut equals = 0;
        for class in self.places.classes() {
            match self.level_of(class, now).cmp(&mine) {
                std::cmp::Ordering::Less => urgent += class.ids.len(),
                std::cmp::Ordering::Equal => equals += class.ids.len(),
                std::cmp::Ordering::Greater => {}
            }
        }
        let tenant = self.tenants.find(&work.tenant).map(|(_, tenant)| tenant);
        let (own, weight) = tenant.map_or((0, work.weight), |t| (t.placed, t.weight));
        let all = self.tenants.weight_of_all((own == 0).then_some(weight));
        let turns = (u128::from(own) + 1) * all / u128::from(weight.get());
        let turns = usize::try_from(turns).unwrap_or(usize::MAX).min(equals + 1);
        self.pace.wait(urgent + turns, now)
    }
}

impl<'a, T> Rehearsal<'a, T> {
    fn new(room: &'a Room<T>, now: Time) -> Self {
        let act = |class: &super::places::Class| Act {
            level: room.level_of(class, now),
            priority: class.priority,
            heads: class.order.iter().map(|head| Reverse(*head)).collect(),
        };
        let classes = room.places.classes().iter().map(act).collect();
        Self { room, classes, counters: BTreeMap::new() }
    }

    fn counter(&self, slot: Slot) -> Counter {
        let changed = self.counters.get(&slot).copied();
        changed.unwrap_or_else(|| self.room.tenants.counter(slot))
    }

    /// The class of the next start, and the first of its heads.
    fn best(&mut self) -> Option<(usize, u64, Slot)> {
        for nth in 0..self.classes.len() {
            while let Some(Reverse((counter, id, slot))) = self.classes[nth].heads.peek().copied()
                && counter != self.counter(slot)
            {
                self.classes[nth].heads.pop();
                let counter = self.counter(slot);
                self.classes[nth].heads.push(Reverse((counter, id, slot)));
            }
        }
        let ranks = self.classes.iter().enumerate().filter_map(|(nth, act)| {
            let Reverse(head) = act.heads.peek()?;
            Some((act.level, *head, nth))
        });
        ranks.min().map(|(_, (_, id, slot), nth)| (nth, id, slot))
    }
}

impl<T> Iterator for Rehearsal<'_, T> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let (nth, id, slot) = self.best()?;
        let counter = self.counter(slot);
        let cost = self.room.waiters.get(&id).map_or(0, |waiter| waiter.cost);
        let weight = self.room.tenants.tenant(slot).map(|tenant| tenant.weight)?;
        let served = counter + charge(cost, weight);
        self.counters.insert(slot, served);
        let act = &mut self.classes[nth];
        act.heads.pop();
        // Served at this very instant, the class has not aged.
        act.level = self.room.level_at(act.priority, Duration::ZERO);
        if let Some(next) = self.room.places.line(slot, act.priority, id + 1).next() {
            act.heads.push(Reverse((served, next, slot)));
        }
        Some(id)
    }
}
