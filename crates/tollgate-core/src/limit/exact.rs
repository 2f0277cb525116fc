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

/// A ring of times, oldest first: `state` holds them, `start` and `count` say which.
pub(crate) struct Ring<'a> {
    pub(crate) state: &'a mut [u64],
    pub(crate) start: &'a mut u16,
    pub(crate) count: &'a mut u16,
}

impl Exact {
    pub(crate) fn check(self, ring: &mut Ring<'_>, amount: u64, now: Time) -> Result<(), Retry> {
        self.forget(ring, now);
        let over = (u64::from(*ring.count) + amount).saturating_sub(self.cap);
        if over == 0 {
            return Ok(());
        }
        match ring.nth(over - 1) {
            Some(oldest) => Err(Retry::At(self.leaves(oldest))),
            None => Err(Retry::Never),
        }
    }

    pub(crate) fn take(self, ring: &mut Ring<'_>, amount: u64, now: Time) {
        self.forget(ring, now);
        for _ in 0..amount.min(self.cap) {
            ring.push(now.as_nanos());
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

    pub(crate) fn remaining(self, ring: &mut Ring<'_>, now: Time) -> u64 {
        self.forget(ring, now);
        self.cap.saturating_sub(u64::from(*ring.count))
    }

    /// When the oldest unit leaves.
    pub(crate) fn next_unit(self, ring: &mut Ring<'_>, now: Time) -> Time {
        self.forget(ring, now);
        ring.nth(0).map_or(now, |oldest| self.leaves(oldest))
    }

    fn forget(self, ring: &mut Ring<'_>, now: Time) {
        while ring.nth(0).is_some_and(|oldest| self.leaves(oldest) <= now) {
            ring.pop();
        }
    }

    const fn leaves(self, taken: u64) -> Time {
        Time::from_nanos(taken.saturating_add(self.length_ns))
    }
}

impl Ring<'_> {
    fn place(&self, nth: usize) -> usize {
        let place = usize::from(*self.start) + nth;
        if place < self.state.len() { place } else { place - self.state.len() }
    }

    pub(crate) fn nth(&self, nth: u64) -> Option<u64> {
        (nth < u64::from(*self.count)).then(|| self.state[self.place(nth as usize)])
    }

    fn pop(&mut self) {
        *self.start = self.place(1) as u16;
        *self.count -= 1;
    }

    /// Adds the newest time; a full ring forgets its oldest.
    pub(crate) fn push(&mut self, time: u64) {
        if self.state.is_empty() {
            return;
        }
        if usize::from(*self.count) == self.state.len() {
            self.pop();
        }
        let place = self.place(usize::from(*self.count));
        self.state[place] = time;
        *self.count += 1;
    }

    fn remove(&mut self, time: u64) -> bool {
        let count = usize::from(*self.count);
        let Some(found) = (0..count).rev().find(|nth| self.state[self.place(*nth)] == time) else {
            return false;
        };
        for nth in found..count - 1 {
            self.state[self.place(nth)] = self.state[self.place(nth + 1)];
        }
        *self.count -= 1;
        true
    }
}
