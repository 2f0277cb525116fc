//! What was admitted and refused in each hour of the last seven days, in memory.
//!
//! Refusals are in no ledger, since whoever is refused has used nothing. Counters are looked
//! at once a second and when somebody asks, and what they grew by is added to the hour: the
//! requests themselves count no slower. What happened before the process started is not
//! known.

use std::collections::{BTreeMap, VecDeque};

use compact_str::CompactString;
use tollgate_core::Time;

use super::Metrics;

/// The hours of the last seven days in which something was decided, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    hours: VecDeque<(u64, Decided)>,
    /// What the counters were when they were looked at last.
    seen: Decided,
}

/// What was decided in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    /// What each limit did, by its name in the policy.
    pub(crate) by_limit: BTreeMap<CompactString, OfLimit>,
    /// Refusals by the `error` of their answers.
    pub(crate) by_reason: BTreeMap<CompactString, u64>,
}

/// What one limit did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OfLimit {
    /// Requests that it refused.
    pub(crate) refused: u64,
    /// Requests that it would have refused, were it not in shadow mode.
    pub(crate) shadowed: u64,
}

/// Hours that are remembered: seven days.
const MAX_HOURS: usize = 7 * 24;

const HOUR_NS: u64 = 3_600_000_000_000;

impl Metrics {
    /// Takes down what was decided since the last time, in the hour of this wall clock.
    pub(crate) fn remember(&self, wall: Time) {
        let mut history = self.history.lock();
        let now = self.decided();
        history.note(wall.as_nanos() / HOUR_NS, now);
    }

    /// What was decided from the hour that one instant is in to the hour that begins at the
    /// other, or is under way then.
    pub(crate) fn decided_between(&self, from: Time, to: Time) -> Decided {
        let (from, to) = (from.as_nanos() / HOUR_NS, to.as_nanos().div_ceil(HOUR_NS));
        let mut sum = Decided::default();
        let history = self.history.lock();
        let asked = history.hours.iter().filter(|(hour, _)| (from..to).contains(hour));
        asked.for_each(|(_, it)| sum.add(it));
        sum
    }

    /// Since when it is known what was decided, of a process that started then.
    pub(crate) fn known_from(&self, started: Time, now: Time) -> Time {
        let hour = (now.as_nanos() / HOUR_NS).saturating_sub(MAX_HOURS as u64 - 1);
        started.max(Time::from_nanos(hour * HOUR_NS))
    }

    /// What was decided since the start.
    fn decided(&self) -> Decided {
        let of_limit = |it: &super::LimitCounts| OfLimit {
            refused: it.refused.value(),
            shadowed: it.shadowed.value(),
        };
        let by_limit = self.by_limit.all().into_iter().map(|(name, it)| (name, of_limit(&it)));
        let by_reason = self.by_reason.all().into_iter().map(|(name, it)| (name, it.value()));
        Decided {
            admitted: self.admitted.value(),
            refused: self.refused.value(),
            by_limit: by_limit.collect(),
            by_reason: by_reason.collect(),
        }
    }
}

impl History {
    fn note(&mut self, hour: u64, now: Decided) {
        let more = now.since(&self.seen);
        self.seen = now;
        if more == Decided::default() {
            return;
        }
        match self.hours.back_mut() {
            // Also where the wall clock was set back: hours stay in their order.
            Some((newest, it)) if *newest >= hour => it.add(&more),
            _ => self.hours.push_back((hour, more)),
        }
        let oldest = hour.saturating_sub(MAX_HOURS as u64 - 1);
        while self.hours.front().is_some_and(|(hour, _)| *hour < oldest) {
            self.hours.pop_front();
        }
    }
}

impl Decided {
    /// Adds what was decided in another time.
    pub(crate) fn add(&mut self, other: &Self) {
        self.admitted += other.admitted;
        self.refused += other.refused;
        for (name, more) in &other.by_limit {
            let it = self.by_limit.entry(name.clone()).or_default();
            it.refused += more.refused;
            it.shadowed += more.shadowed;
        }
        for (name, more) in &other.by_reason {
            *self.by_reason.entry(name.clone()).or_default() += more;
        }
    }

    /// What was decided between two looks; what did not grow is left out.
    fn since(&self, before: &Self) -> Self {
        let limits = self.by_limit.iter().map(|(name, it)| {
            let was = before.by_limit.get(name).copied().unwrap_or_default();
            let more =
                OfLimit { refused: it.refused - was.refused, shadowed: it.shadowed - was.shadowed };
            (name.clone(), more)
        });
        let reasons = self.by_reason.iter().map(|(name, it)| {
            (name.clone(), it - before.by_reason.get(name).copied().unwrap_or_default())
        });
        Self {
            admitted: self.admitted - before.admitted,
            refused: self.refused - before.refused,
            by_limit: limits.filter(|(_, more)| *more != OfLimit::default()).collect(),
            by_reason: reasons.filter(|(_, more)| *more > 0).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(admitted: u64, refused: u64) -> Decided {
        let of_limit = OfLimit { refused, shadowed: 0 };
        Decided {
            admitted,
            refused,
            by_limit: [("minute".into(), of_limit)].into(),
            by_reason: [("too_many_requests".into(), refused)].into(),
        }
    }

    #[test]
    fn every_hour_has_what_was_decided_in_it_and_the_sum_is_whole() {
        let mut history = History::default();
        let mut total = (0, 0);
        for step in 0..500_u64 {
            total = (total.0 + step % 3, total.1 + step % 2);
            history.note(1_000 + step / 7, after(total.0, total.1));
        }
        let mut sum = Decided::default();
        history.hours.iter().for_each(|(_, it)| sum.add(it));
        assert_eq!(sum, after(total.0, total.1));
        assert!(history.hours.iter().zip(history.hours.iter().skip(1)).all(|(a, b)| a.0 < b.0));
    }

    #[test]
    fn seven_days_are_remembered_and_no_more() {
        let mut history = History::default();
        for hour in 1..1_000 {
            history.note(hour, after(hour, 0));
            assert!(history.hours.len() <= MAX_HOURS);
        }
        assert_eq!(history.hours.len(), MAX_HOURS);
        // A clock that is set back makes no second history.
        history.note(500, after(1_001, 0));
        assert_eq!(history.hours.back().map(|(hour, it)| (*hour, it.admitted)), Some((999, 3)));
    }
}
