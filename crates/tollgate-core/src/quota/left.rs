//! What is left of one unit, as the newest numbers tell.

use std::time::Duration;

use super::{MAX_CLOSED, Reading, saved::SavedLeft, sent::Log};
use crate::Time;

/// The window of a provider that tells no reset, and the least that is taken to follow one that
/// is over: who hears of a window for the first time may hear of its end alone.
const USUAL_WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    limit: Option<u64>,
    remaining: u64,
    /// When these numbers came.
    heard_at: Time,
    reset_at: Time,
    /// The longest time to a reset that was told.
    window: Duration,
    /// When the request was sent for which these numbers were made: what was sent later may
    /// not be in them.
    pub(super) basis: Time,
    /// Somebody was refused for it since the last reset.
    held: bool,
}

impl Left {
    /// The most in a window, if it was told.
    pub(super) const fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// With the numbers that came for a request which was sent at `sent_at`; `known` is what
    /// was known before.
    pub(super) fn heard(
        known: Option<Self>,
        reading: Reading,
        sent_at: Time,
        (log, unit): (&Log, usize),
        (is_even, now): (bool, Time),
    ) -> Option<Self> {
        let Some(remaining) = reading.remaining else { return known };
        let reset_at = reset_of(reading, now);
        let Some(known) = known else {
            let (remaining, reset_at) = log.least(unit, sent_at, (remaining, reset_at), now);
            return Some(Self {
                limit: reading.limit,
                remaining,
                heard_at: now,
                reset_at,
                window: window_of(reading, is_even, now),
                basis: sent_at,
                held: false,
            });
        };
        let limit = reading.limit.or(known.limit);
        if sent_at >= known.basis {
            // Numbers whose reset has passed say that all of what they count is there again.
            let numbers = match limit {
                Some(limit) if reset_at <= now => (limit, known.reset_at),
                None if reset_at <= now => return Some(known),
                _ => (remaining, reset_at),
            };
            let (remaining, reset_at) = log.least(unit, sent_at, numbers, now);
            let window = known.window.max(window_of(reading, is_even, now));
            let (heard_at, basis) = (now, sent_at);
            return Some(Self { limit, remaining, heard_at, reset_at, window, basis, ..known });
        }
        if reset_at <= now {
            return Some(known);
        }
        // An earlier request: its numbers may be newer all the same, where they are lower.
        let lower = remaining < known.remaining || reset_at > known.reset_at;
        if log.is_settled(sent_at, known.basis) || !lower {
            return Some(known);
        }
        let (remaining, reset_at) = (remaining.min(known.remaining), reset_at.max(known.reset_at));
        Some(Self { remaining, heard_at: now, reset_at, ..known })
    }

    /// What has become of it: all is there again at its reset, but for what was sent since the
    /// last numbers and within a window. Nothing is known any more of a unit whose limit was
    /// never told. Tells the reset at which somebody had been held back.
    pub(super) fn advance(self, now: Time) -> (Option<Self>, Option<Time>) {
        if self.reset_at > now {
            return (Some(self), None);
        }
        let held = self.held.then_some(self.reset_at);
        let Some(limit) = self.limit else { return (None, held) };
        // Windows that passed without any news are passed over.
        let window = self.window.max(USUAL_WINDOW);
        let nanos = window.as_nanos();
        let passed = now.since(self.reset_at).as_nanos() / nanos * nanos;
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let reset = self.reset_at.after(Duration::from_nanos(passed));
        let next = Self {
            remaining: limit,
            heard_at: reset,
            reset_at: reset.after(window),
            // Where windows are refilled evenly, a request counts after the reset too.
            basis: self.basis.max(reset.before(window)),
            held: false,
            ..self
        };
        (Some(next), held)
    }

    /// When so much may be sent.
    pub(super) fn when(&self, want: u64, unit: usize, log: &Log, is_even: bool, now: Time) -> Time {
        // What is more than the limit is tried when all of it is there: it may be estimated too
        // high, and if not, the provider says so. A limit of nothing is no limit: some
        // providers announce it where they have none.
        let want = self.limit.map_or(want, |limit| want.min(limit));
        let need = want.saturating_add(log.unseen(unit, self.basis));
        if want == 0 || need <= self.remaining {
            return now;
        }
        let all = self.limit.unwrap_or(0).saturating_sub(self.remaining);
        let more = need - self.remaining;
        if !is_even || more > all {
            return self.reset_at;
        }
        let span = self.reset_at.since(self.heard_at).as_nanos();
        let nanos = (u128::from(more) * span).div_ceil(u128::from(all));
        self.heard_at.after(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))).max(now)
    }

    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// How much of it is let out in what time when it opens again: all of it in the spread, or
    /// in half of a window where those are shorter.
    pub(super) fn share(&self, spread: Duration) -> Option<(u64, Duration)> {
        self.limit.map(|limit| (limit, spread.min(self.window / 2)))
    }

    /// What may be sent now.
    pub(super) fn room(&self, unit: usize, log: &Log, is_even: bool, now: Time) -> u64 {
        self.grown(is_even, now).saturating_sub(log.unseen(unit, self.basis))
    }

    /// What is left now of what is counted.
    fn grown(&self, is_even: bool, now: Time) -> u64 {
        let all = self.limit.unwrap_or(0).saturating_sub(self.remaining);
        let span = self.reset_at.since(self.heard_at).as_nanos();
        let grown = u128::from(all) * now.since(self.heard_at).as_nanos() / span.max(1);
        let grown = if is_even { u64::try_from(grown).unwrap_or(u64::MAX).min(all) } else { 0 };
        self.remaining.saturating_add(grown)
    }

    /// As it is left to another process.
    pub(super) fn saved(&self, is_even: bool, now: Time) -> SavedLeft {
        SavedLeft {
            limit: self.limit,
            remaining: self.grown(is_even, now),
            reset_in: self.reset_at.since(now),
            window: self.window,
        }
    }

    /// As another process left it so long ago, unless all of it is there again.
    pub(super) fn resume(
        saved: &SavedLeft,
        is_even: bool,
        away: Duration,
        now: Time,
    ) -> Option<Self> {
        let SavedLeft { limit, remaining, reset_in, window } = *saved;
        let reset_in = reset_in.min(MAX_CLOSED);
        let rest = reset_in.checked_sub(away).filter(|rest| !rest.is_zero())?;
        // Numbers that came when it was left, so that they have grown since.
        let then = Self {
            limit,
            remaining,
            heard_at: now.before(away),
            reset_at: now.after(rest),
            window,
            // What is sent from now on is in no numbers yet.
            basis: now.before(Duration::from_nanos(1)),
            held: false,
        };
        Some(Self { remaining: then.grown(is_even, now), heard_at: now, ..then })
    }
}

/// Until when numbers are worth something: for a day at most, whatever they say.
pub(super) fn reset_of(reading: Reading, now: Time) -> Time {
    let told = reading.reset_at.unwrap_or_else(|| now.after(USUAL_WINDOW));
    told.min(now.after(MAX_CLOSED))
}

/// The length of the window that numbers tell of: of a bucket's, how long it takes to fill.
fn window_of(reading: Reading, is_even: bool, now: Time) -> Duration {
    let rest = reset_of(reading, now).since(now);
    let (true, Some(limit), Some(remaining)) = (is_even, reading.limit, reading.remaining) else {
        return rest;
    };
    let used = u128::from(limit.saturating_sub(remaining).max(1));
    let nanos = rest.as_nanos().saturating_mul(u128::from(limit)).div_ceil(used);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).clamp(rest, MAX_CLOSED.max(rest))
}
