//! The large window: sixty sub-buckets and one more, the oldest counted in full.
//!
//! A sub-bucket is a sixtieth of the window, rounded up. Counting 61 of them covers every
//! interval of the window's length, so the cap is never passed; a unit is free again at
//! most a sixtieth late. Counts are packed as narrowly as the cap allows.

use crate::{Retry, Time};

/// Sub-buckets that make up one window.
const PARTS: u64 = 60;
/// Sub-buckets kept.
const KEPT: u64 = PARTS + 1;

/// Words before the counts: the window's length, the newest sub-bucket's number, the sum.
const LENGTH: usize = 0;
const NEWEST: usize = 1;
const TOTAL: usize = 2;
const COUNTS: usize = 3;

/// At most `cap` units in every interval of `length_ns`; each count is `bits` wide.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) cap: u64,
    pub(crate) length_ns: u64,
    pub(crate) bits: u8,
}

impl Window {
    /// Words of state for counts of `bits`.
    pub(crate) const fn words(bits: u8) -> usize {
        COUNTS + (KEPT as usize).div_ceil(64 / bits as usize)
    }

    /// The narrowest counts that hold `most` each.
    pub(crate) const fn bits_for(most: u64) -> u8 {
        match most {
            0..=0xff => 8,
            0x100..=0xffff => 16,
            0x1_0000..=0xffff_ffff => 32,
            _ => 64,
        }
    }

    /// The window that made `state`, for looking at it without its rule.
    pub(crate) const fn stored(state: &[u64], bits: u8) -> Self {
        Self { cap: u64::MAX, length_ns: state[LENGTH], bits }
    }

    pub(crate) const fn is_idle(self, state: &[u64], now: Time) -> bool {
        state[TOTAL] == 0 || self.part(now).saturating_sub(state[NEWEST]) >= KEPT
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

    pub(crate) fn check(self, state: &[u64], amount: u64, now: Time) -> Result<(), Retry> {
        // Nearly always there is room even if nothing has left, which needs no counts.
        if state[TOTAL].saturating_add(amount) <= self.cap || amount == 0 {
            return Ok(());
        }
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

    /// Counts `amount` at `at`, unless that instant has aged out; a sum that the counts
    /// cannot hold is refused with the width that can.
    pub(crate) fn take(self, state: &mut [u64], amount: u64, at: Time) -> Result<(), u8> {
        self.advance(state, at);
        let part = self.part(at);
        if part < self.oldest(state) {
            return Ok(());
        }
        let sum = self.count(state, part).saturating_add(amount);
        if self.bits < 64 && sum >> self.bits != 0 {
            return Err(Self::bits_for(sum));
        }
        let before = self.count(state, part);
        self.set(state, part, sum);
        state[TOTAL] = state[TOTAL].saturating_add(sum - before);
        Ok(())
    }

    /// Gives back `back` units that were taken at `at`, if they have not aged out.
    pub(crate) fn give_back(self, state: &mut [u64], back: u64, at: Time, now: Time) {
        self.advance(state, now);
        let part = self.part(at);
        if part < self.oldest(state) || part > state[NEWEST] {
            return;
        }
        let count = self.count(state, part);
        let back = back.min(count);
        self.set(state, part, count - back);
        state[TOTAL] -= back;
    }

    pub(crate) fn remaining(self, state: &[u64], now: Time) -> u64 {
        self.cap.saturating_sub(self.total(state, now))
    }

    /// When the oldest units leave.
    pub(crate) fn next_unit(self, state: &[u64], now: Time) -> Time {
        let used = self.kept(state, now).find(|part| self.count(state, *part) > 0);
        used.map_or(now, |part| self.leaves(part))
    }

    /// The counts with an instant each at which they may safely be taken to have happened:
    /// the end of their sub-bucket.
    pub(crate) fn dated(self, state: &[u64]) -> impl Iterator<Item = (Time, u64)> {
        let parts = self.oldest(state)..=state[NEWEST];
        let dated = parts.map(move |part| (self.start(part + 1), self.count(state, part)));
        dated.filter(|(_, count)| *count > 0)
    }

    /// What is counted at `now`, which may be later than the newest sub-bucket.
    fn total(self, state: &[u64], now: Time) -> u64 {
        let part = self.part(now);
        if part <= state[NEWEST] || state[TOTAL] == 0 {
            return state[TOTAL];
        }
        if part - state[NEWEST] >= KEPT {
            return 0;
        }
        let left = self.oldest(state)..part.saturating_sub(PARTS);
        state[TOTAL] - left.map(|part| self.count(state, part)).sum::<u64>()
    }

    /// The sub-buckets that hold anything at `now`, oldest first.
    fn kept(self, state: &[u64], now: Time) -> std::ops::RangeInclusive<u64> {
        let newest = state[NEWEST];
        newest.max(self.part(now)).saturating_sub(PARTS)..=newest
    }

    fn advance(self, state: &mut [u64], now: Time) {
        let part = self.part(now);
        if part <= state[NEWEST] {
            return;
        }
        if part - state[NEWEST] >= KEPT || state[TOTAL] == 0 {
            state[TOTAL..].fill(0);
        } else {
            for passed in state[NEWEST] + 1..=part {
                state[TOTAL] -= self.count(state, passed);
                self.set(state, passed, 0);
            }
        }
        state[NEWEST] = part;
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

    const fn oldest(self, state: &[u64]) -> u64 {
        state[NEWEST].saturating_sub(PARTS)
    }

    const fn slot(self, part: u64) -> (usize, u32) {
        let per_word = 64 / self.bits as u64;
        let slot = part % KEPT;
        (COUNTS + (slot / per_word) as usize, (slot % per_word) as u32 * self.bits as u32)
    }

    const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    const fn count(self, state: &[u64], part: u64) -> u64 {
        let (word, shift) = self.slot(part);
        state[word] >> shift & self.mask()
    }

    const fn set(self, state: &mut [u64], part: u64, count: u64) {
        let (word, shift) = self.slot(part);
        state[word] = state[word] & !(self.mask() << shift) | count << shift;
    }
}
