//! Instants as the API writes them.

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde::{Serialize, Serializer};
use tollgate_core::{Now, Standing, Time};

/// An instant of the engine's time as the wall clock will show it: RFC 3339 in UTC with
/// milliseconds, rounded up, so that what is promised holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, utoipa::ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-23T12:00:00.000Z")]
pub(crate) struct Instant(u64);

const NANOS_PER_MILLI: u64 = 1_000_000;

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

impl Instant {
    /// What the wall clock will show at `time`, if nobody sets it.
    pub(crate) fn new(time: Time, now: Now) -> Self {
        let wall = if time >= now.time {
            now.wall.after(time.since(now.time))
        } else {
            now.wall.before(now.time.since(time))
        };
        Self(wall.as_nanos().div_ceil(NANOS_PER_MILLI))
    }

    /// An instant of the wall, as another clock than this process's told it.
    pub(crate) fn on_the_wall(wall: Time) -> Self {
        Self(wall.as_nanos().div_ceil(NANOS_PER_MILLI))
    }

    /// When more of an account is left; nothing where it never is.
    pub(crate) fn of_reset(standing: &Standing, now: Now) -> Option<Self> {
        (standing.reset < Time::MAX).then(|| Self::new(standing.reset, now))
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        let shown = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
        serializer.serialize_str(&PRINTER.timestamp_to_string(&shown))
    }
}
