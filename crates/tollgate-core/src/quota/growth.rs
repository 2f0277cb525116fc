//! Whether what is left of a unit grows evenly, told from a provider's numbers alone.
//!
//! A bucket is full again after a time that is proportional to what was used of it. A window
//! ends when it ends: the more of it is used, the nearer is its end. So a provider whose
//! numbers keep to one proportion, over several answers and while what is used doubles, has
//! buckets; and one that no longer keeps to it is not taken to have them any more.
//!
//! Where few are used, a part of one more or less lets many a proportion fit. But a window's end
//! stays where it is until it is there, and each that is used of a bucket moves it away: so of
//! few, that has to be seen as well.

use std::time::Duration;

use crate::Time;

/// What the numbers of one unit have shown so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Growth {
    is_even: bool,
    /// Numbers in a row that do not fit those before.
    misfits: u32,
    seen: Option<Seen>,
}

/// Numbers that fit each other.
#[derive(Debug, Clone, Copy)]
struct Seen {
    numbers: u32,
    least_used: u64,
    most_used: u64,
    /// Between which nanoseconds one unit takes to come back.
    quickest: f64,
    slowest: f64,
    /// The fewest that were used before a reset that is still to come, and when that is.
    from: (u64, Time),
    /// More of them have moved a reset away that was still to come.
    moved: bool,
}

/// So many numbers that fit are a proof, and so many in a row that do not are one against it.
const PROOF: u32 = 8;
const DOUBT: u32 = 3;

/// How much of it may have been used, at least, for each that was used at the beginning.
const SPAN: u64 = 2;

/// How inexact a time may be that is told: so much of it, and a little.
const INEXACT: f64 = 0.05;
const LITTLE: f64 = 2e6;

/// Of a shorter time that is too much, and one that has passed says nothing.
const VAGUE: Duration = Duration::from_millis(20);

/// Of fewer the one that is nearly there, and not told, makes a large part.
const FEW: u64 = 10;

/// Of fewer still it is all.
const LEAST: u64 = 2;

impl Growth {
    /// As another process has found it.
    pub(super) const fn resume(is_even: bool) -> Self {
        Self { is_even, misfits: 0, seen: None }
    }

    /// An answer told how much is used and how long it takes from now on until all of it is
    /// there again.
    pub(super) fn note(&mut self, used: u64, rest: Duration, now: Time) {
        if used < LEAST || rest < VAGUE {
            return;
        }
        let told = Seen::of(used, rest, now);
        self.seen = match self.seen.and_then(|seen| seen.with(told, now)) {
            Some(both) => {
                self.misfits = 0;
                self.is_even |= both.is_proof();
                Some(both)
            }
            None => {
                self.misfits = self.misfits.saturating_add(1);
                self.is_even &= self.misfits < DOUBT;
                Some(told)
            }
        };
    }

    pub(super) const fn is_even(&self) -> bool {
        self.is_even
    }

    /// What was sent since it had grown was too much.
    pub(super) fn refuted(&mut self) {
        *self = Self::default();
    }
}

impl Seen {
    fn of(used: u64, rest: Duration, now: Time) -> Self {
        let nanos = rest.as_nanos() as f64;
        let more = nanos * (1.0 + INEXACT) + LITTLE;
        let less = nanos * (1.0 - INEXACT) - LITTLE;
        Self {
            numbers: 1,
            least_used: used,
            most_used: used,
            quickest: less / used as f64,
            // Less than one more may be there already, and is not told.
            slowest: more / (used - 1) as f64,
            from: (used, now.after(rest)),
            moved: false,
        }
    }

    /// With what was told now, if that fits.
    fn with(self, told: Self, now: Time) -> Option<Self> {
        let (fewest, reset_at) = self.from;
        let (used, moved_to) = told.from;
        let is_new = now >= reset_at || used < fewest;
        // Of what was used since, the half of it at the least.
        let away = (used - fewest.min(used)) as f64 * told.quickest / 2.0;
        let has_moved = used >= fewest.saturating_mul(SPAN)
            && moved_to.since(reset_at).as_nanos() as f64 > away.max(LITTLE);

        let both = Self {
            numbers: self.numbers.saturating_add(told.numbers),
            least_used: self.least_used.min(told.least_used),
            most_used: self.most_used.max(told.most_used),
            quickest: self.quickest.max(told.quickest),
            slowest: self.slowest.min(told.slowest),
            from: if is_new { told.from } else { self.from },
            moved: self.moved || !is_new && has_moved,
        };
        (both.quickest <= both.slowest).then_some(both)
    }

    fn is_proof(&self) -> bool {
        self.numbers >= PROOF
            && self.most_used >= self.least_used.saturating_mul(SPAN)
            && (self.moved || self.least_used >= FEW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 100;
    const WINDOW_MS: u64 = 60_000;

    fn note(growth: &mut Growth, used: u64, rest_ms: u64, at_ms: u64) {
        growth.note(used, Duration::from_millis(rest_ms), Time::from_millis(at_ms));
    }

    fn bucket() -> Growth {
        let mut growth = Growth::default();
        for used in 10..30 {
            note(&mut growth, used, WINDOW_MS * used / LIMIT, 0);
        }
        growth
    }

    #[test]
    fn a_bucket_is_known_by_its_proportion() {
        assert!(bucket().is_even());
        let mut still = Growth::default();
        for _ in 0..100 {
            note(&mut still, 50, WINDOW_MS / 2, 0);
        }
        assert!(!still.is_even(), "any window may say that for a while");
        let mut few = Growth::default();
        for used in [20, 50, 99] {
            note(&mut few, used, WINDOW_MS * used / LIMIT, 0);
        }
        assert!(!few.is_even());
    }

    #[test]
    fn a_small_bucket_is_known_by_its_resets_too() {
        for limit in [4, 6, 10, 20] {
            let (mut growth, per_unit) = (Growth::default(), WINDOW_MS / limit);
            // Four times as often as it refills until it is nearly empty, and then as often.
            let (mut full_at, mut known_at) = (0, None);
            for nth in 0..100 {
                let at = nth.min(limit) * per_unit / 4 + nth.saturating_sub(limit) * per_unit;
                full_at = full_at.max(at) + per_unit;
                let rest = full_at - at;
                note(&mut growth, rest.div_ceil(per_unit), rest, at);
                known_at = known_at.or(growth.is_even().then_some(nth));
                assert_eq!(growth.is_even(), known_at.is_some(), "{limit}: it is believed on");
            }
            assert!(known_at.is_some(), "{limit}");
        }
    }

    #[test]
    fn a_window_is_never_taken_for_one() {
        for limit in [2, 3, 4, 5, 8, 12, 20, LIMIT] {
            for (per_answer, ms_per_answer) in
                [(1, 1), (1, 600), (7, 100), (1, 1_200), (2, 3_000), (1, 7_000), (1, 13_000)]
            {
                let mut growth = Growth::default();
                let (mut now, mut used) = (0, 0);
                for _ in 0..10_000 {
                    let before = now / WINDOW_MS;
                    now += ms_per_answer;
                    used = if now / WINDOW_MS == before { used } else { 0 };
                    used = (used + per_answer).min(limit);
                    note(&mut growth, used, WINDOW_MS - now % WINDOW_MS, now);
                    assert!(!growth.is_even(), "{limit}: {per_answer} {ms_per_answer} at {now}");
                }
            }
        }
    }

    #[test]
    fn windows_whose_few_numbers_keep_to_a_proportion_by_chance_are_windows() {
        let mut growth = Growth::default();
        for nth in 0..1_000 {
            let (used, rest) = if nth % 2 == 0 { (2, 10_000) } else { (4, 20_000) };
            note(&mut growth, used, rest, (nth + 1) * WINDOW_MS - rest);
            assert!(!growth.is_even(), "a reset was never moved");
        }
    }

    #[test]
    fn what_no_longer_fits_is_believed_no_longer() {
        let mut growth = bucket();
        note(&mut growth, 50, 1_000, 0);
        note(&mut growth, 51, 900, 100);
        assert!(growth.is_even(), "once is nothing");
        note(&mut growth, 70, 100, 900);
        note(&mut growth, 10, 59_000, 2_000);
        assert!(!growth.is_even());
        let mut refused = bucket();
        refused.refuted();
        assert!(!refused.is_even());
    }
}
