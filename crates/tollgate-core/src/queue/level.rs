//! How urgent a class is now: its priority, and how long it went unserved.

use std::time::Duration;

use super::{Priority, Room, places::Class};
use crate::Time;

/// How urgent a class is: the smaller the more.
pub(super) type Level = i64;

impl<T> Room<T> {
    /// The level of a class that waits for service.
    pub(super) fn level_of(&self, class: &Class, now: Time) -> Level {
        let first = class.ids.first().and_then(|id| self.waiters.get(id));
        let entered = first.map_or(now, |waiter| waiter.entered);
        self.level_at(class.priority, now.since(class.served.max(entered)))
    }

    /// The level of a priority after `unserved`.
    pub(super) fn level_at(&self, priority: Priority, unserved: Duration) -> Level {
        let level = Level::from(priority.level());
        if self.rules.bypass.is_some_and(|bypass| priority <= bypass) {
            return Level::MIN + level;
        }
        let risen = unserved.as_nanos().checked_div(self.rules.ageing.as_nanos()).unwrap_or(0);
        level - Level::try_from(risen).unwrap_or(Level::MAX / 2)
    }

    /// The level of a priority for one who comes now: it ages with those who wait.
    pub(super) fn level_on_arrival(&self, priority: Priority, now: Time) -> Level {
        match self.places.class(priority) {
            Some(class) => self.level_of(class, now),
            None => self.level_at(priority, Duration::ZERO),
        }
    }
}
