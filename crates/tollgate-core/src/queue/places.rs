//! Who has a place, in the orders that are asked for: by tenant's counter within a class, by
//! arrival within a tenant's line, by arrival within a class.

use std::collections::BTreeSet;

use super::{
    Priority,
    fair::{Counter, Slot},
};
use crate::Time;

/// The waiters with a place.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Each tenant's line in each class, in order of arrival.
    lines: BTreeSet<(Slot, Priority, u64)>,
    /// Who stands aside, the same way.
    aside: BTreeSet<(Slot, Priority, u64)>,
    /// The classes that have had waiters, the most urgent first.
    classes: Vec<Class>,
}

/// The waiters of one priority.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) priority: Priority,
    /// When one of it was started last. It is kept while the class is empty: who comes in
    /// from the second line may have waited longer.
    pub(super) served: Time,
    /// Its waiters that do not stand aside, in order of arrival.
    pub(super) ids: BTreeSet<u64>,
    /// Its waiters that do.
    aside: BTreeSet<u64>,
    /// Its lines in order of service: counter of the tenant, first waiter, tenant.
    pub(super) order: BTreeSet<(Counter, u64, Slot)>,
}

impl Places {
    /// All that have a place.
    pub(super) fn len(&self) -> usize {
        self.lines.len() + self.aside.len()
    }

    /// Those that do not stand aside.
    pub(super) fn competing(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn classes(&self) -> &[Class] {
        &self.classes
    }

    pub(super) fn class(&self, priority: Priority) -> Option<&Class> {
        let at = self.classes.binary_search_by_key(&priority, |class| class.priority).ok()?;
        self.classes.get(at)
    }

    /// The least counter of a tenant with a place.
    pub(super) fn least(&self) -> Option<Counter> {
        self.classes.iter().filter_map(|class| Some(class.order.first()?.0)).min()
    }

    /// A line from `id` on, in order of arrival.
    pub(super) fn line(
        &self,
        slot: Slot,
        priority: Priority,
        id: u64,
    ) -> impl Iterator<Item = u64> + '_ {
        self.lines.range((slot, priority, id)..=(slot, priority, u64::MAX)).map(|(.., id)| *id)
    }

    /// The first waiter of each line of a tenant, the most urgent line first.
    pub(super) fn heads(&self, slot: Slot) -> impl Iterator<Item = (Priority, u64)> + '_ {
        let mut from = Some(Priority::CRITICAL);
        std::iter::from_fn(move || {
            let all = (slot, from?, 0)..=(slot, Priority::LEAST, u64::MAX);
            let (_, priority, id) = *self.lines.range(all).next()?;
            from = Priority::new(priority.level() + 1);
            Some((priority, id))
        })
    }

    /// Adds a waiter of a tenant with this counter.
    pub(super) fn insert(&mut self, slot: Slot, counter: Counter, priority: Priority, id: u64) {
        let before = self.line(slot, priority, 0).next();
        self.lines.insert((slot, priority, id));
        let class = self.class_mut(priority);
        class.ids.insert(id);
        if before.is_none_or(|first| id < first) {
            if let Some(first) = before {
                class.order.remove(&(counter, first, slot));
            }
            class.order.insert((counter, id, slot));
        }
    }

    /// Removes a waiter of a tenant with this counter.
    pub(super) fn remove(&mut self, slot: Slot, counter: Counter, priority: Priority, id: u64) {
        self.lines.remove(&(slot, priority, id));
        let next = self.line(slot, priority, id).next();
        let class = self.class_mut(priority);
        class.ids.remove(&id);
        // The order holds the first of each line alone.
        if class.order.remove(&(counter, id, slot))
            && let Some(next) = next
        {
            class.order.insert((counter, next, slot));
        }
    }

    /// Adds a waiter that stands aside.
    pub(super) fn insert_aside(&mut self, slot: Slot, priority: Priority, id: u64) {
        self.aside.insert((slot, priority, id));
        self.class_mut(priority).aside.insert(id);
    }

    /// Removes a waiter that stands aside.
    pub(super) fn remove_aside(&mut self, slot: Slot, priority: Priority, id: u64) {
        self.aside.remove(&(slot, priority, id));
        self.class_mut(priority).aside.remove(&id);
    }

    /// The oldest waiter of a class, or of a tenant in it.
    pub(super) fn oldest(&self, class: &Class, slot: Option<Slot>) -> Option<u64> {
        let Some(slot) = slot else {
            return class.ids.first().into_iter().chain(class.aside.first()).min().copied();
        };
        let line = (slot, class.priority, 0)..=(slot, class.priority, u64::MAX);
        let firsts = [self.lines.range(line.clone()).next(), self.aside.range(line).next()];
        firsts.into_iter().flatten().map(|(.., id)| *id).min()
    }

    /// The counter of a tenant has changed.
    pub(super) fn reorder(&mut self, slot: Slot, from: Counter, to: Counter) {
        let heads: smallvec::SmallVec<[_; 4]> = self.heads(slot).collect();
        for (priority, id) in heads {
            let order = &mut self.class_mut(priority).order;
            order.remove(&(from, id, slot));
            order.insert((to, id, slot));
        }
    }

    /// One of the class was started.
    pub(super) fn served(&mut self, priority: Priority, now: Time) {
        self.class_mut(priority).served = now;
    }

    fn class_mut(&mut self, priority: Priority) -> &mut Class {
        let at = match self.classes.binary_search_by_key(&priority, |class| class.priority) {
            Ok(at) => at,
            Err(at) => {
                let (ids, aside, order) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
                let served = Time::ZERO;
                self.classes.insert(at, Class { priority, served, ids, aside, order });
                at
            }
        };
        &mut self.classes[at]
    }
}
