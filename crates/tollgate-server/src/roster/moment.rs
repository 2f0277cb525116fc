//! Instants on the wall, as the roster keeps them and people write them.

use std::{fmt, time::Duration};

use jiff::{
    Span, Timestamp, ToSpan as _, civil::Date, fmt::temporal::DateTimePrinter, tz::TimeZone,
};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Serialize, Serializer};
use tollgate_core::Time;

/// An instant on the wall, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i64);

const NANOS_PER_MILLI: u64 = 1_000_000;

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

impl Moment {
    /// This instant of the wall clock.
    pub(crate) fn of(wall: Time) -> Self {
        Self(i64::try_from(wall.as_nanos() / NANOS_PER_MILLI).unwrap_or(i64::MAX))
    }

    /// So many milliseconds after the Unix epoch.
    pub(super) const fn of_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The instant of the wall clock.
    pub(crate) fn time(self) -> Time {
        Time::from_millis(u64::try_from(self.0).unwrap_or_default())
    }

    /// So much later.
    pub(crate) fn after(self, length: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(length.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The end of a length of time that begins `now`.
    ///
    /// # Errors
    /// With a sentence, when it is no length of time.
    pub(crate) fn later(text: &str, now: Self) -> Result<Self, String> {
        let at = later(text.trim(), now).map(|at| Self(at.as_millisecond()));
        at.filter(|at| *at >= now).ok_or_else(|| {
            let text: String = text.chars().take(40).collect();
            format!("`{text}` is no length of time: write one like 90m, 24h or 7d")
        })
    }

    /// Milliseconds since the Unix epoch.
    pub(super) const fn millis(self) -> i64 {
        self.0
    }

    /// The instant until which something is to hold: an instant, the end of a day in UTC, or a
    /// length of time from `now` on.
    ///
    /// # Errors
    /// With a sentence, when it is none of these or has passed.
    pub(crate) fn until(text: &str, now: Self) -> Result<Self, String> {
        let text = text.trim();
        let at = instant(text).or_else(|| end_of_day(text)).or_else(|| later(text, now));
        let at = at.ok_or_else(|| {
            format!(
                "`{}` is no time: write a day like 2026-12-31, an instant like 2026-12-31T18:00:00Z, or a length of time like 30d",
                text.chars().take(40).collect::<String>()
            )
        })?;
        let at = Self(at.as_millisecond());
        if at <= now { Err(format!("{at} has passed: write a later time")) } else { Ok(at) }
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn end_of_day(text: &str) -> Option<Timestamp> {
    let day = text.parse::<Date>().ok().filter(|_| !text.contains(['T', ':']))?;
    Some(day.checked_add(1.day()).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn later(text: &str, now: Moment) -> Option<Timestamp> {
    let length: Span = text.parse().ok()?;
    let now = Timestamp::from_millisecond(now.0).ok()?.to_zoned(TimeZone::UTC);
    Some(now.checked_add(length).ok()?.timestamp())
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::MAX);
        f.write_str(&PRINTER.timestamp_to_string(&at))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl ToSql for Moment {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for Moment {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_instants_and_lengths_are_read() {
        let now = Moment::of(Time::from_millis(1_795_435_200_000));
        assert_eq!(now.to_string(), "2026-11-23T12:00:00.000Z");
        for (text, at) in [
            ("2026-12-31", "2027-01-01T00:00:00.000Z"),
            ("2026-12-31T18:00:00+02:00", "2026-12-31T16:00:00.000Z"),
            ("30d", "2026-12-23T12:00:00.000Z"),
            ("90m", "2026-11-23T13:30:00.000Z"),
        ] {
            assert_eq!(Moment::until(text, now).expect(text).to_string(), at);
        }
        for text in ["", "soon", "2026-13-01", "0s", "-1d", "2026-11-22", "99999999999d"] {
            assert!(Moment::until(text, now).expect_err(text).contains("write "), "{text}");
        }
    }
}
