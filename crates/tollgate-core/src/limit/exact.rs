//! The small window: every unit's time is kept, so it is exact to the nanosecond.
//!
//! With a cap of `L` only the newest `L` units can ever stand in the way of the next one,
//! so a ring of `L` times is the whole truth, even after an overrun.

use crate::{Retry, Time};

/// The largest cap for which times are kept.
pub(crate) const MAX_CAP: u64 = 64;

/// At most `cap` units in every interval of `length_ns`; `cap` is the ring's length.
#[derive(Clone, Copy)]
pub(crate) struct Exact {
    pub(crate) cap: u64,
    pub(crate) length_ns: u64,
}

/// The times of a ring, oldest first.
pub(crate) struct Times<'a> {
    pub(crate) state: &'a [u64],
    pub(crate) start: u8,
    pub(crate) count: u8,
}

/// A ring of times, oldest first: `state` holds them, `start` and `count` say which.
pub(crate) struct Ring<'a> {
    pub(crate) state: &'a mut [u64],
    pub(crate) start: &'a mut u8,
    pub(crate) count: &'a mut u8,
}

impl Exact {
    pub(crate) fn check(self, ring: &Times<'_>, amount: u64, now: Time) -> Result<(), Retry> {
        // Nearly always there is room even if nothing has left, which needs no times.
        if u64::from(ring.count).saturating_add(amount) <= self.cap || amount == 0 {
            return Ok(());
        }
        if amount > self.cap {
            return Err(Retry::Never);
        }
        let over = (self.live(ring, now) + amount).saturating_sub(self.cap);
        if over == 0 {
            return Ok(());
        }
        let last_to_leave = ring.nth(self.left(ring, now) + over - 1);
        Err(last_to_leave.map_or(Retry::Never, |time| Retry::At(self.leaves(time))))
    }

    pub(crate) fn take(self, ring: &mut Ring<'_>, amount: u64, now: Time) {
        if u64::from(*ring.count).saturating_add(amount) > self.cap {
            self.forget(ring, now);
        }
        for _ in 0..amount.min(self.cap) {
            ring.push(now.as_nanos());
        }
        // What a ring keeps does not depend on how long it was made, before the cap was lowered.
        while amount > 0 && u64::from(*ring.count) > self.cap {
            ring.pop();
        }
    }

    /// Gives back `back` units that were taken at `at`, if they have not aged out.
    pub(crate) fn give_back(self, ring: &mut Ring<'_>, back: u64, at: Time) {
        for _ in 0..back.min(self.cap) {
            if !ring.remove(at.as_nanos()) {
                return;
            }
        }
    }

    pub(crate) fn remaining(self, ring: &Times<'_>, now: Time) -> u64 {
        self.cap.saturating_sub(self.live(ring, now))
    }

    /// When the oldest unit leaves.
    pub(crate) fn next_unit(self, ring: &Times<'_>, now: Time) -> Time {
        ring.nth(self.left(ring, now)).map_or(now, |oldest| self.leaves(oldest))
    }

    /// How many of the oldest units have left by `now`.
    fn left(self, ring: &Times<'_>, now: Time) -> u64 {
        let has_left = |nth: &u64| ring.nth(*nth).is_some_and(|time| self.leaves(time) <= now);
        (0..).take_while(has_left).count() as u64
    }

    fn live(self, ring: &Times<'_>, now: Time) -> u64 {
        u64::from(ring.count) - self.left(ring, now)
    }

    fn forget(self, ring: &mut Ring<'_>, now: Time) {
        while ring.times().nth(0).is_some_and(|oldest| self.leaves(oldest) <= now) {
            ring.pop();
        }
    }

    const fn leaves(self, taken: u64) -> Time {
        Time::from_nanos(taken.saturating_add(self.length_ns))
    }
}

impl Times<'_> {
    fn place(&self, nth: usize) -> usize {
        let place = usize::from(self.start) + nth;
        if place < self.state.len() { place } else { place - self.state.len() }
    }

    fn nth(&self, nth: u64) -> Option<u64> {
        (nth < u64::from(self.count)).then(|| self.state[self.place(nth as usize)])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        (0..u64::from(self.count)).filter_map(|nth| self.nth(nth))
    }
}

impl Ring<'_> {
    const fn times(&self) -> Times<'_> {
        Times { state: self.state, start: *self.start, count: *self.count }
    }

    fn pop(&mut self) {
        *self.start = self.times().place(1) as u8;
        *self.count -= 1;
    }

    /// Adds the newest time; a full ring forgets its oldest.
    fn push(&mut self, time: u64) {
        if self.state.is_empty() {
            return;
        }
        if usize::from(*self.count) == self.state.len() {
            self.pop();
        }
        let place = self.times().place(usize::from(*self.count));
        self.state[place] = time;
        *self.count += 1;
    }

    /// Takes out the newest unit of that time; whether there was one.
    fn remove(&mut self, time: u64) -> bool {
        let count = usize::from(*self.count);
        let times = self.times();
        let Some(found) = (0..count).rev().find(|nth| times.state[times.place(*nth)] == time)
        else {
            return false;
        };
        for nth in found..count - 1 {
            let (to, from) = (self.times().place(nth), self.times().place(nth + 1));
            self.state[to] = self.state[from];
        }
        *self.count -= 1;
        true
    }
}
