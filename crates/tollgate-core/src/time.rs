//! Instants as arguments: the engine's monotone time and the wall clock beside it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant in nanoseconds since the Unix epoch.
///
/// It counts from the epoch so that it can be stored and compared across restarts, but it
/// is not the wall clock: its source only ever moves forward.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(u64);

/// The present, as a store is told it.
///
/// Limits count in [`time`](Now::time), which never runs backwards. Calendar periods alone
/// look at the [`wall`](Now::wall) clock, which may jump.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotone time.
    pub time: Time,
    /// What a clock on the wall shows.
    pub wall: Time,
}

impl Time {
    /// The Unix epoch.
    pub const ZERO: Self = Self(0);
    /// The far end of time, for "never".
    pub const MAX: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the Unix epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The instant `duration` later, at most [`Time::MAX`].
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// The instant `duration` earlier, at least [`Time::ZERO`].
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Now {
    /// A present whose wall clock agrees with its monotone time, as in virtual time.
    pub const fn at(time: Time) -> Self {
        Self { time, wall: time }
    }

    /// This present, but not before `floor`. Both clocks are moved, since they were read
    /// together.
    #[must_use]
    pub fn no_earlier(self, floor: Time) -> Self {
        if floor <= self.time {
            return self;
        }
        Self { time: floor, wall: self.wall.after(floor.since(self.time)) }
    }

    /// The monotone instant at which the wall clock will show `wall`, if nobody sets it.
    pub fn when_wall_shows(self, wall: Time) -> Time {
        self.time.after(wall.since(self.wall))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
