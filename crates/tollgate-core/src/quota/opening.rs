//! Closed after a "too many requests", and opened again little by little.

use std::time::Duration;

use super::{Each, UNITS, saved::SavedOpening};
use crate::Time;

/// The longest that anything a provider says closes its quota.
pub const MAX_CLOSED: Duration = Duration::from_secs(86_400);

/// How long it is closed by the first refusal that tells no time, and by many in a row.
const FIRST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(60);

/// Requests that are let out while it opens where the provider's limit is not known.
const CAUTIOUS: u64 = 10;

#[derive(Debug, Default)]
pub(super) struct Opening {
    closed_until: Time,
    /// When the refusal came that closed it last.
    closed_at: Time,
    /// Refusals in a row that told no time.
    silent: u32,
    ramp: Option<Ramp>,
}

/// What was let out since it began to open.
#[derive(Debug)]
struct Ramp {
    from: Time,
    out: Each,
}

impl Opening {
    /// As it is left to another process.
    pub(super) fn saved(&self, spread: Duration, now: Time) -> Option<SavedOpening> {
        let ramp = self.ramp.as_ref().filter(|ramp| ramp.from.after(spread) > now)?;
        let (opens_in, is_open_in) = (ramp.from.since(now), ramp.from.after(spread).since(now));
        Some(SavedOpening { opens_in, is_open_in, silent: self.silent })
    }

    /// As another process left it so long ago. What is open by now is open.
    pub(super) fn resume(saved: Option<SavedOpening>, away: Duration, now: Time) -> Self {
        let Some(saved) = saved.filter(|saved| saved.is_open_in > away) else {
            return Self::default();
        };
        let from = now.after(saved.opens_in.min(MAX_CLOSED).saturating_sub(away));
        let ramp = Some(Ramp { from, out: [0; UNITS.len()] });
        Self { closed_until: from, closed_at: now, silent: saved.silent, ramp }
    }

    /// A refusal of a request sent at `sent_at`, that closes it until an instant if one is told.
    pub(super) fn refused(&mut self, sent_at: Time, until: Option<Time>, now: Time) {
        let until = until.unwrap_or_else(|| {
            // Those that were on their way when it closed say nothing new.
            if self.silent == 0 || sent_at > self.closed_at {
                self.silent = self.silent.saturating_add(1);
            }
            let doubled = FIRST.saturating_mul(1 << (self.silent - 1).min(16));
            now.after(doubled.min(MOST))
        });
        let until = until.min(now.after(MAX_CLOSED));
        self.closed_at = now;
        // It is closed until the instant from which it opens.
        self.open_from(until);
        self.closed_until = self.closed_until.max(until);
    }

    /// An answer that was no refusal.
    pub(super) fn accepted(&mut self, sent_at: Time) {
        if sent_at >= self.closed_until {
            self.silent = 0;
        }
    }

    /// It opens little by little from then on.
    pub(super) fn open_from(&mut self, from: Time) {
        if self.ramp.as_ref().is_none_or(|ramp| ramp.from < from) {
            self.ramp = Some(Ramp { from, out: [0; UNITS.len()] });
        }
    }

    pub(super) fn sent(&mut self, amounts: &Each) {
        if let Some(ramp) = &mut self.ramp {
            for (out, amount) in ramp.out.iter_mut().zip(amounts) {
                *out = out.saturating_add(*amount);
            }
        }
    }

    /// What was let out at `sent_at` was not sent after all.
    pub(super) fn unsent(&mut self, sent_at: Time, amounts: &Each) {
        if let Some(ramp) = self.ramp.as_mut().filter(|ramp| sent_at >= ramp.from) {
            for (out, amount) in ramp.out.iter_mut().zip(amounts) {
                *out = out.saturating_sub(*amount);
            }
        }
    }

    /// When so much may be sent; `shares` are what is let out of what is known, and in what
    /// time, `spread` at most.
    pub(super) fn when(
        &mut self,
        want: &Each,
        shares: [Option<(u64, Duration)>; UNITS.len()],
        spread: Duration,
        now: Time,
    ) -> Time {
        self.ramp.take_if(|ramp| ramp.from.after(spread) <= now);
        let Some(ramp) = &self.ramp else { return now };
        let cautious = shares.iter().all(Option::is_none).then_some((CAUTIOUS, spread));
        let times = (0..UNITS.len()).filter_map(|unit| {
            let share = if unit == 0 { shares[unit].or(cautious) } else { shares[unit] };
            share.map(|share| ramp.when(unit, want[unit], share))
        });
        times.fold(now.max(ramp.from), Time::max)
    }
}

impl Ramp {
    /// The first goes at once. Then the limit is let out evenly.
    fn when(&self, unit: usize, want: u64, (limit, spread): (u64, Duration)) -> Time {
        if self.out[unit] == 0 || want == 0 {
            return self.from;
        }
        let part = u128::from(self.out[unit].saturating_add(want).min(limit));
        let nanos = (spread.as_nanos() * part).div_ceil(u128::from(limit.max(1)));
        self.from.after(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}
