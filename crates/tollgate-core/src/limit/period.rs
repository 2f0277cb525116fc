//! The period: what was spent since the calendar's last boundary, or ever since.

use crate::{Now, Retry, Time};

/// Words of state: the period's start and end on the wall clock, settled, held.
pub(crate) const WORDS: usize = 4;

const START: usize = 0;
const END: usize = 1;
const SETTLED: usize = 2;
const HELD: usize = 3;

/// The end of a period that never ends.
const NEVER: u64 = u64::MAX;

/// How far a caller's wall clock may lag behind the one that accounts are forgotten by: read
/// before it waited for its turn, or set back since. Who came later than that to an account
/// that was forgotten would get the whole of a period that is over.
const LAG: u64 = 3_600_000_000_000;

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
        match self.end_in(state) {
            // What is spent stays spent; what is only held may come back.
            NEVER if state[SETTLED].saturating_add(amount) > self.cap => Err(Retry::Never),
            NEVER => Err(Retry::NotBefore(now.time)),
            end => Err(Retry::At(now.when_wall_shows(Time::from_nanos(end)))),
        }
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

    /// What is used above the cap.
    pub(crate) const fn above(self, state: &[u64]) -> u64 {
        self.used(state).saturating_sub(self.cap)
    }

    /// What of it is reserved.
    pub(crate) const fn held(self, state: &[u64]) -> u64 {
        if self.turns(state) { 0 } else { state[HELD] }
    }

    /// When the period that counts ends; [`Time::MAX`] if it never does.
    pub(crate) fn ends(self, state: &[u64], now: Now) -> Time {
        match self.end_in(state) {
            NEVER => Time::MAX,
            end => now.when_wall_shows(Time::from_nanos(end)),
        }
    }

    /// The end of the period that counts. Where a policy has made an endless period of
    /// another or the other way round, what was used goes on counting until the new end.
    const fn end_in(self, state: &[u64]) -> u64 {
        if self.turns(state) || self.end == NEVER || state[END] == NEVER {
            self.end
        } else {
            state[END]
        }
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
        }
        // The start stays, by which what is held now finds its period at its settlement.
        state[END] = self.end_in(state);
    }
}

/// Whether its period is over, and nobody can come any more whose clock shows it still.
pub(crate) const fn is_over(state: &[u64], now: Now) -> bool {
    state[END] != NEVER && past(now) >= state[END]
}

/// Whether nothing of it is used, and nobody can come any more whose clock shows the period
/// before.
pub(crate) const fn is_unused(state: &[u64], now: Now) -> bool {
    used(state) == 0 && past(now) >= state[START]
}

/// What every caller's clock has passed.
const fn past(now: Now) -> u64 {
    now.wall.as_nanos().saturating_sub(LAG)
}

pub(crate) const fn settled(state: &[u64]) -> u64 {
    state[SETTLED]
}

pub(crate) const fn bounds(state: &[u64]) -> (u64, u64) {
    (state[START], state[END])
}

const fn used(state: &[u64]) -> u64 {
    state[SETTLED].saturating_add(state[HELD])
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000_000_000;
    const TOTAL: Period = Period { cap: 100, start: 0, end: NEVER };

    fn is_idle(state: &[u64], now: Now) -> bool {
        is_over(state, now) || is_unused(state, now)
    }

    const fn day(nth: u64) -> Period {
        Period { cap: 100, start: nth * DAY, end: (nth + 1) * DAY }
    }

    fn at(day: u64) -> Now {
        Now::at(Time::from_nanos(day * DAY + DAY / 2))
    }

    fn held(state: &mut [u64], period: Period, amount: u64) -> Period {
        period.hold(state, amount);
        let (start, end) = bounds(state);
        Period { start, end, ..period }
    }

    #[test]
    fn a_total_promises_nothing_and_is_never_idle_while_something_is_spent() {
        let mut state = [0; WORDS];
        let first = held(&mut state, TOTAL, 60);
        for now in [at(1), at(20_000), Now::at(Time::MAX)] {
            assert_eq!(TOTAL.check(&state, 41, now), Err(Retry::NotBefore(now.time)));
            assert_eq!(
                TOTAL.check(&state, 101, now),
                Err(Retry::Never),
                "more than it ever allows"
            );
            assert_eq!(TOTAL.ends(&state, now), Time::MAX);
            assert!(!is_idle(&state, now));
        }
        first.settle(&mut state, 60, 50);
        assert_eq!(TOTAL.check(&state, 50, at(30_000)), Ok(()));
        assert_eq!(
            TOTAL.check(&state, 51, at(30_000)),
            Err(Retry::Never),
            "what is spent stays spent"
        );
        first.resettle(&mut state, 50, 0);
        assert!(is_idle(&state, at(2)), "all of it came back");
    }

    #[test]
    fn a_day_that_is_made_a_total_is_not_forgotten_at_midnight() {
        let mut state = [0; WORDS];
        let old = held(&mut state, day(3), 30);
        let new = held(&mut state, TOTAL, 40);
        assert_eq!(TOTAL.check(&state, 31, at(3)), Err(Retry::NotBefore(at(3).time)));
        assert!(!is_idle(&state, at(9)));
        old.settle(&mut state, 30, 10);
        new.settle(&mut state, 40, 40);
        assert_eq!(TOTAL.remaining(&state), 50, "both ended in the period that counts");
    }

    #[test]
    fn a_total_that_is_made_a_day_begins_anew_at_midnight() {
        let mut state = [0; WORDS];
        let old = held(&mut state, TOTAL, 100);
        let midnight = Time::from_nanos(4 * DAY);
        assert_eq!(day(3).check(&state, 1, at(3)), Err(Retry::At(midnight)));
        old.settle(&mut state, 100, 90);
        let new = held(&mut state, day(3), 10);
        assert_eq!(day(3).ends(&state, at(3)), midnight);
        new.settle(&mut state, 10, 5);
        assert_eq!(day(3).remaining(&state), 5);
        assert_eq!(day(4).check(&state, 100, at(4)), Ok(()));
        assert!(is_idle(&state, at(4)));
    }

    #[test]
    fn a_period_that_is_just_over_is_kept_for_those_whose_clocks_lag() {
        let after = |nanos| Now::at(Time::from_nanos(4 * DAY + nanos));
        let mut state = [0; WORDS];
        let old = held(&mut state, day(3), 100);
        assert!(!is_idle(&state, after(LAG - 1)) && is_idle(&state, after(LAG)));
        old.settle(&mut state, 100, 100);
        assert!(!is_idle(&state, after(0)));
        let new = held(&mut state, day(4), 10);
        new.settle(&mut state, 10, 0);
        assert!(!is_idle(&state, after(LAG - 1)), "the day before would begin anew");
        assert!(is_idle(&state, after(LAG)), "nothing of it is used");
    }
}
