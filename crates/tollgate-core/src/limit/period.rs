//! The period: what was spent since the calendar's last boundary.

use crate::{Now, Retry, Time};

/// Words of state: the period's start and end on the wall clock, settled, held.
pub(crate) const WORDS: usize = 4;

const START: usize = 0;
const END: usize = 1;
const SETTLED: usize = 2;
const HELD: usize = 3;

/// At most `cap` from `start` until `end`.
#[derive(Clone, Copy)]
pub(crate) struct Period {
    pub(crate) cap: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Period {
    pub(crate) fn check(self, state: &[u64], amount: u64, now: Now) -> Result<(), Retry> {
        if amount == 0 || self.used(state).saturating_add(amount) <= self.cap {
            return Ok(());
        }
        if amount > self.cap {
            return Err(Retry::Never);
        }
        Err(Retry::At(self.ends(state, now)))
    }

    pub(crate) fn hold(self, state: &mut [u64], amount: u64) {
        self.turn(state);
        state[HELD] = state[HELD].saturating_add(amount);
    }

    /// Turns what was held in this rule's period into `used`. What a later period has
    /// begun since is not touched, but for an overrun: that is spent now.
    pub(crate) fn settle(self, state: &mut [u64], held: u64, used: u64) {
        if state[START] == self.start {
            state[HELD] = state[HELD].saturating_sub(held);
            state[SETTLED] = state[SETTLED].saturating_add(used);
        } else {
            state[SETTLED] = state[SETTLED].saturating_add(used.saturating_sub(held));
        }
    }

    /// Puts right what had been settled for `before` when it expired.
    pub(crate) fn resettle(self, state: &mut [u64], before: u64, used: u64) {
        if state[START] == self.start {
            state[SETTLED] = state[SETTLED].saturating_sub(before).saturating_add(used);
        } else {
            state[SETTLED] = state[SETTLED].saturating_add(used.saturating_sub(before));
        }
    }

    pub(crate) const fn remaining(self, state: &[u64]) -> u64 {
        self.cap.saturating_sub(self.used(state))
    }

    /// What of it is reserved.
    pub(crate) const fn held(self, state: &[u64]) -> u64 {
        if self.turns(state) { 0 } else { state[HELD] }
    }

    /// When the period that counts ends.
    pub(crate) fn ends(self, state: &[u64], now: Now) -> Time {
        let end = if self.turns(state) { self.end } else { state[END] };
        now.when_wall_shows(Time::from_nanos(end))
    }

    const fn used(self, state: &[u64]) -> u64 {
        if self.turns(state) { 0 } else { used(state) }
    }

    const fn turns(self, state: &[u64]) -> bool {
        state[END] == 0 || self.start >= state[END]
    }

    /// Begins this rule's period if it is a later one. A wall clock that was set back asks
    /// for an earlier one and gets the one that has begun: nobody is reset twice. Where the
    /// calendar itself was changed by a new policy, what was used goes on counting.
    fn turn(self, state: &mut [u64]) {
        if self.turns(state) {
            state[SETTLED] = 0;
            state[HELD] = 0;
            state[START] = self.start;
            state[END] = self.end;
        }
    }
}

pub(crate) const fn is_idle(state: &[u64], now: Now) -> bool {
    now.wall.as_nanos() >= state[END] || used(state) == 0
}

pub(crate) const fn bounds(state: &[u64]) -> (u64, u64) {
    (state[START], state[END])
}

const fn used(state: &[u64]) -> u64 {
    state[SETTLED].saturating_add(state[HELD])
}
