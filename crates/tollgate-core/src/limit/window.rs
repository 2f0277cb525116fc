//! The large window: sixty sub-buckets and one more, the oldest counted in full.
//!
//! A sub-bucket is a sixtieth of the window, rounded up. Counting 61 of them covers every
//! interval of the window's length, so the cap is never passed; a unit is free again at
//! most a sixtieth late. The newest count has a word of its own, so that nearly every
//! request finds all it needs there; the others are packed as narrowly as the cap allows.

use crate::{Retry, Time};

/// Sub-buckets that make up one window, and are kept beside the newest.
const PARTS: u64 = 60;
/// Sub-buckets counted.
const KEPT: u64 = PARTS + 1;

/// Words before the packed counts: the window's length, the instant at which the newest
/// sub-bucket began, its count, and the sum of all counts.
const LENGTH: usize = 0;
const START: usize = 1;
const CURRENT: usize = 2;
const TOTAL: usize = 3;
const COUNTS: usize = 4;

/// At most `cap` units in every interval of `length_ns`; each packed count is `bits` wide.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) cap: u64,
    pub(crate) length_ns: u64,
    pub(crate) bits: u8,
}

impl Window {
    /// Words of state for counts of `bits`.
    pub(crate) const fn words(bits: u8) -> usize {
        COUNTS + (PARTS as usize).div_ceil(64 / bits as usize)
    }

    /// The narrowest counts that hold `most` each.
    pub(crate) const fn bits_for(most: u64) -> u8 {
        if most == 0 { 1 } else { 64 - most.leading_zeros() as u8 }
    }

    /// The window that made `state`, for looking at it without its rule.
    pub(crate) const fn stored(state: &[u64], bits: u8) -> Self {
        Self { cap: u64::MAX, length_ns: state[LENGTH], bits }
    }

    /// The state in which sub-buckets count this, the newest one told by its number.
    pub(crate) fn of(length_ns: u64, bits: u8, newest: u64, counts: &[(u64, u64)]) -> Vec<u64> {
        let window = Self { cap: u64::MAX, length_ns, bits };
        let mut state = vec![0; Self::words(bits)];
        (state[LENGTH], state[START]) = (length_ns, window.start(newest).as_nanos());
        for (part, count) in counts {
            if *part == newest {
                state[CURRENT] = *count;
            } else if window.oldest(&state) <= *part && *part < newest {
                window.pack(&mut state, *part, *count);
            } else {
                continue;
            }
            state[TOTAL] = state[TOTAL].saturating_add(*count);
        }
        state
    }

    /// What each sub-bucket counts, the oldest first, by number.
    pub(crate) fn counts(self, state: &[u64]) -> impl Iterator<Item = (u64, u64)> {
        (self.oldest(state)..=self.newest(state)).map(move |part| (part, self.count(state, part)))
    }

    pub(crate) const fn is_idle(self, state: &[u64], now: Time) -> bool {
        state[TOTAL] == 0 || self.part(now).saturating_sub(self.newest(state)) >= KEPT
    }

    pub(crate) fn clear(self, state: &mut [u64]) {
        state.fill(0);
        state[LENGTH] = self.length_ns;
    }

    pub(crate) const fn length(state: &[u64]) -> u64 {
        state[LENGTH]
    }

    /// What was counted when it was last taken from.
    pub(crate) const fn counted(state: &[u64]) -> u64 {
        state[TOTAL]
    }

    #[inline]
    pub(crate) fn check(self, state: &[u64], amount: u64, now: Time) -> Result<(), Retry> {
        // Nearly always there is room even if nothing has left, which needs no counts.
        if state[TOTAL].saturating_add(amount) <= self.cap || amount == 0 {
            return Ok(());
        }
        self.check_all(state, amount, now)
    }

    #[cold]
    fn check_all(self, state: &[u64], amount: u64, now: Time) -> Result<(), Retry> {
        if amount > self.cap {
            return Err(Retry::Never);
        }
        let over = self.total(state, now).saturating_add(amount).saturating_sub(self.cap);
        if over == 0 {
            return Ok(());
        }
        let mut freed = 0;
        for part in self.kept(state, now) {
            freed += self.count(state, part);
            if freed >= over {
                return Err(Retry::At(self.leaves(part)));
            }
        }
        Err(Retry::Never)
    }

    /// Counts `amount` at `at`, unless that instant has aged out. Where a count does not
    /// fit into the packed ones, nothing is done and the width that it needs is told.
    #[inline]
    pub(crate) fn take(self, state: &mut [u64], amount: u64, at: Time) -> Result<(), u8> {
        if !self.is_current(state, at) {
            if at.as_nanos() < state[START] {
                return self.take_late(state, amount, at);
            }
            self.advance(state, at)?;
        }
        state[CURRENT] = state[CURRENT].saturating_add(amount);
        state[TOTAL] = state[TOTAL].saturating_add(amount);
        Ok(())
    }

    /// Counts `amount` in a sub-bucket that has passed.
    #[cold]
    fn take_late(self, state: &mut [u64], amount: u64, at: Time) -> Result<(), u8> {
        let part = self.part(at);
        if part < self.oldest(state) {
            return Ok(());
        }
        let sum = self.count(state, part).saturating_add(amount);
        if sum > self.mask() {
            return Err(Self::bits_for(sum));
        }
        self.pack(state, part, sum);
        state[TOTAL] = state[TOTAL].saturating_add(amount);
        Ok(())
    }

    /// Gives back `back` units that were taken at `at`, if they are still counted.
    pub(crate) fn give_back(self, state: &mut [u64], back: u64, at: Time) {
        let part = self.part(at);
        if part < self.oldest(state) || part > self.newest(state) {
            return;
        }
        let count = self.count(state, part);
        let back = back.min(count);
        if part == self.newest(state) {
            state[CURRENT] -= back;
        } else {
            self.pack(state, part, count - back);
        }
        state[TOTAL] = state[TOTAL].saturating_sub(back);
    }

    pub(crate) fn remaining(self, state: &[u64], now: Time) -> u64 {
        self.cap.saturating_sub(self.total(state, now))
    }

    /// When the sub-bucket of an instant began.
    pub(crate) const fn part_began(self, at: Time) -> Time {
        self.start(self.part(at))
    }

    /// When the oldest units leave.
    pub(crate) fn next_unit(self, state: &[u64], now: Time) -> Time {
        let kept = self.kept(state, now);
        let (mut part, newest) = (*kept.start(), *kept.end());
        if state[TOTAL] == state[CURRENT] {
            part = part.max(newest);
        }
        while part < newest {
            let (word, shift) = self.slot(part);
            let left = state[word] >> shift;
            if left & self.mask() > 0 {
                return self.leaves(part);
            }
            // The rest of a word is passed in one step where it is empty.
            let step = if left == 0 { self.slots_left(part) } else { 1 };
            part = newest.min(part + step);
        }
        if part == newest && state[CURRENT] > 0 { self.leaves(newest) } else { now }
    }

    /// The counts with an instant each at which they may safely be taken to have happened:
    /// the end of their sub-bucket.
    pub(crate) fn dated(self, state: &[u64]) -> impl Iterator<Item = (Time, u64)> {
        let dated = self.counts(state).map(move |(part, count)| (self.start(part + 1), count));
        dated.filter(|(_, count)| *count > 0)
    }

    /// Copies `state` into the larger `wider`, whose packed counts are `bits` wide.
    pub(crate) fn widen(self, state: &[u64], wider: &mut [u64], bits: u8) {
        wider[..COUNTS].copy_from_slice(&state[..COUNTS]);
        let wide = Self { bits, ..self };
        for part in self.oldest(state)..self.newest(state) {
            wide.pack(wider, part, self.count(state, part));
        }
    }

    /// What is counted at `now`, which may be later than the newest sub-bucket.
    fn total(self, state: &[u64], now: Time) -> u64 {
        let (part, newest) = (self.part(now), self.newest(state));
        if part <= newest || state[TOTAL] == 0 {
            return state[TOTAL];
        }
        if part - newest >= KEPT {
            return 0;
        }
        let left = self.oldest(state)..part.saturating_sub(PARTS);
        state[TOTAL].saturating_sub(left.map(|part| self.count(state, part)).sum())
    }

    /// The sub-buckets that hold anything at `now`, oldest first.
    fn kept(self, state: &[u64], now: Time) -> std::ops::RangeInclusive<u64> {
        let newest = self.newest(state);
        newest.max(self.part(now)).saturating_sub(PARTS)..=newest
    }

    /// Begins the sub-bucket of `now`, a later one than the newest.
    #[cold]
    fn advance(self, state: &mut [u64], now: Time) -> Result<(), u8> {
        let (part, newest) = (self.part(now), self.newest(state));
        if part - newest >= KEPT || state[TOTAL] == 0 {
            state[CURRENT..].fill(0);
        } else {
            let current = state[CURRENT];
            if current > self.mask() {
                return Err(Self::bits_for(current));
            }
            for passed in self.oldest(state)..part.saturating_sub(PARTS) {
                state[TOTAL] = state[TOTAL].saturating_sub(self.count(state, passed));
                self.pack(state, passed, 0);
            }
            self.pack(state, newest, current);
            state[CURRENT] = 0;
        }
        state[START] = self.start(part).as_nanos();
        Ok(())
    }

    const fn part_ns(self) -> u64 {
        self.length_ns.div_ceil(PARTS)
    }

    const fn part(self, time: Time) -> u64 {
        time.as_nanos() / self.part_ns()
    }

    const fn start(self, part: u64) -> Time {
        Time::from_nanos(part.saturating_mul(self.part_ns()))
    }

    const fn leaves(self, part: u64) -> Time {
        self.start(part.saturating_add(KEPT))
    }

    /// Whether an instant falls into the newest sub-bucket.
    const fn is_current(self, state: &[u64], at: Time) -> bool {
        at.as_nanos().wrapping_sub(state[START]) < self.part_ns()
    }

    /// The number of the newest sub-bucket.
    pub(crate) const fn newest(self, state: &[u64]) -> u64 {
        state[START] / self.part_ns()
    }

    const fn oldest(self, state: &[u64]) -> u64 {
        self.newest(state).saturating_sub(PARTS)
    }

    const fn slot(self, part: u64) -> (usize, u32) {
        let per_word = 64 / self.bits as u64;
        let slot = part % PARTS;
        (COUNTS + (slot / per_word) as usize, (slot % per_word) as u32 * self.bits as u32)
    }

    /// How many sub-buckets from this one on are in the same word, this one included.
    const fn slots_left(self, part: u64) -> u64 {
        let per_word = 64 / self.bits as u64;
        let slot = part % PARTS;
        let (in_word, in_ring) = (per_word - slot % per_word, PARTS - slot);
        if in_word < in_ring { in_word } else { in_ring }
    }

    /// The most that a packed count holds.
    const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    const fn count(self, state: &[u64], part: u64) -> u64 {
        if part == self.newest(state) {
            return state[CURRENT];
        }
        let (word, shift) = self.slot(part);
        state[word] >> shift & self.mask()
    }

    /// Sets the packed count of a sub-bucket that has passed.
    const fn pack(self, state: &mut [u64], part: u64, count: u64) {
        let (word, shift) = self.slot(part);
        state[word] = state[word] & !(self.mask() << shift) | count << shift;
    }
}
