//! Calendar periods: which day, week or month of a time zone holds an instant.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{Timestamp, ToSpan, Unit, Zoned, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{Kind, Time};

/// The length of a calendar period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodUnit {
    /// From midnight to midnight.
    Day,
    /// From Monday's midnight to the next.
    Week,
    /// From the first to the first.
    Month,
    /// One period that never ends.
    Total,
}

/// Cuts the wall clock into periods of one length in one time zone.
///
/// Remembers the period it last answered, since the next question is nearly always about
/// the same one.
#[derive(Debug)]
pub struct Calendar {
    unit: PeriodUnit,
    zone: TimeZone,
    /// The last answer: 40 bits of start and 24 bits of length, both in whole seconds, so
    /// that one atomic word is never half of one answer and half of another.
    last: AtomicU64,
}

const SECOND: u64 = 1_000_000_000;
const LENGTH_BITS: u32 = 24;

/// Two calendars are the same that cut the time alike, whatever they were last asked.
impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        self.unit == other.unit && self.zone == other.zone
    }
}

impl Eq for Calendar {}

impl Calendar {
    /// Periods of `unit` in `zone`.
    pub const fn new(unit: PeriodUnit, zone: TimeZone) -> Self {
        Self { unit, zone, last: AtomicU64::new(0) }
    }

    /// The length of its periods.
    pub const fn unit(&self) -> PeriodUnit {
        self.unit
    }

    /// The time zone that it cuts in.
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The period that holds `wall`, as [`Kind::Period`].
    ///
    /// An instant outside of what calendars can tell (after the year 9999) belongs to a
    /// last period that never ends.
    pub fn period(&self, wall: Time) -> Kind {
        if self.unit == PeriodUnit::Total {
            return Kind::TOTAL;
        }
        let seconds = wall.as_nanos() / SECOND;
        let word = self.last.load(Ordering::Relaxed);
        let (start, length) = (word >> LENGTH_BITS, word & ((1 << LENGTH_BITS) - 1));
        let (start, length) = if seconds >= start && seconds < start + length {
            (start, length)
        } else {
            let Some((start, length)) = self.compute(seconds) else {
                return Kind::Period { start: wall.as_nanos(), end: u64::MAX };
            };
            self.last.store(start << LENGTH_BITS | length, Ordering::Relaxed);
            (start, length)
        };
        Kind::Period { start: start * SECOND, end: (start + length) * SECOND }
    }

    fn compute(&self, seconds: u64) -> Option<(u64, u64)> {
        let now = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
        let today = now.to_zoned(self.zone.clone()).start_of_day().ok()?;
        let (first, step) = match self.unit {
            PeriodUnit::Day => (today, 1.day()),
            PeriodUnit::Week => {
                let back = today.weekday().to_monday_zero_offset();
                (today.checked_sub(i64::from(back).days()).ok()?, 1.week())
            }
            PeriodUnit::Month => (today.first_of_month().ok()?, 1.month()),
            PeriodUnit::Total => return None,
        };
        // Midnight does not exist everywhere on every date, so both ends are asked for anew.
        let first = first.start_of_day().ok()?;
        let next = first.checked_add(step).ok()?.start_of_day().ok()?;
        let start = u64::try_from(epoch_second(&first)).unwrap_or(0);
        let end = u64::try_from(epoch_second(&next)).ok()?;
        Some((start, end.checked_sub(start)?))
    }
}

fn epoch_second(at: &Zoned) -> i64 {
    at.round(Unit::Second).map_or_else(|_| at.timestamp(), |at| at.timestamp()).as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(unit: PeriodUnit, zone: &str, at: &str) -> (String, String) {
        let zone = TimeZone::get(zone).expect("a bundled time zone");
        let at: Timestamp = at.parse().expect("an instant");
        let wall = Time::from_nanos(u64::try_from(at.as_nanosecond()).expect("after 1970"));
        let calendar = Calendar::new(unit, zone);
        let first = calendar.period(wall);
        assert_eq!(first, calendar.period(wall), "the remembered answer is the same");
        let Kind::Period { start, end } = first else { panic!("{first:?}") };
        let show = |nanos: u64| {
            Timestamp::from_nanosecond(i128::from(nanos)).expect("in range").to_string()
        };
        (show(start), show(end))
    }

    #[test]
    fn a_total_is_one_period_whatever_the_clock_shows() {
        let total = Calendar::new(PeriodUnit::Total, TimeZone::UTC);
        for wall in [Time::ZERO, Time::from_millis(1_790_000_000_000), Time::MAX] {
            assert_eq!(total.period(wall), Kind::TOTAL);
            assert!(total.period(wall).is_endless());
        }
    }

    #[test]
    fn periods_follow_the_calendar_of_their_zone() {
        for (unit, zone, at, start, end) in [
            (
                PeriodUnit::Day,
                "UTC",
                "2026-11-22T23:59:59.9Z",
                "2026-11-22T00:00:00Z",
                "2026-11-23T00:00:00Z",
            ),
            (
                PeriodUnit::Day,
                "Europe/Berlin",
                "2026-03-29T12:00:00Z",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            (
                PeriodUnit::Day,
                "America/Sao_Paulo",
                "2018-11-04T12:00:00Z",
                "2018-11-04T03:00:00Z",
                "2018-11-05T02:00:00Z",
            ),
            (
                PeriodUnit::Week,
                "UTC",
                "2026-11-22T10:00:00Z",
                "2026-11-16T00:00:00Z",
                "2026-11-23T00:00:00Z",
            ),
            (
                PeriodUnit::Month,
                "Asia/Tokyo",
                "2026-02-28T15:00:00Z",
                "2026-02-28T15:00:00Z",
                "2026-03-31T15:00:00Z",
            ),
        ] {
            assert_eq!(period(unit, zone, at), (start.into(), end.into()), "{unit:?} {zone} {at}");
        }
    }
}
