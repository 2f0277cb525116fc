//! The kinds of limit, each with its arithmetic in a file of its own.

pub(crate) mod bucket;
mod calendar;
mod exact;
pub(crate) mod period;
mod window;

use serde::{Deserialize, Serialize};

pub(crate) use bucket::Bucket;
pub use calendar::{Calendar, PeriodUnit};
pub(crate) use exact::{Exact, MAX_CAP as MAX_EXACT_CAP, Ring, Times};
pub(crate) use period::Period;
pub(crate) use window::Window;

use crate::{Attribute, hash};

/// Names a limit for as long as its name and its `per` stay the same, across reloads,
/// restarts and nodes. That is what lets accounts survive a changed amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LimitId(pub u64);

/// Names a list of `per` attributes: all accounts of one scope and one combination of
/// values live in one [`Cell`](crate::Cell).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeId(pub u64);

/// How a limit counts. Durations are in nanoseconds, amounts in the limit's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Refills `rate` units every `per_ns`; the cap is the burst.
    Bucket {
        /// Units refilled every `per_ns`, at least 1.
        rate: u64,
        /// The length of time in which `rate` units are refilled, at least 1.
        per_ns: u64,
    },
    /// At most the cap in every interval of this length.
    Window {
        /// The interval's length, at least 1.
        length_ns: u64,
    },
    /// At most the cap from `start` until `end`, both on the wall clock.
    Period {
        /// First nanosecond of the period that holds the present.
        start: u64,
        /// First nanosecond of the next period; `u64::MAX` where none ever begins.
        end: u64,
    },
    /// At most the cap at once, each held until its request ends.
    Concurrency,
    /// At most the cap at once, each held until it was idle for so long.
    Sessions {
        /// Idle time after which a session is gone, at least 1.
        idle_ns: u64,
    },
}

/// A kind with its cap: all that the arithmetic of an account needs to know of its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// How it counts.
    pub kind: Kind,
    /// The most it allows, in the limit's unit; for a bucket, its burst.
    pub cap: u64,
}

impl Kind {
    /// The period that holds every instant.
    pub const TOTAL: Self = Self::Period { start: 0, end: u64::MAX };

    /// Whether it is a period that never ends, so that what is used stays used.
    #[inline]
    pub const fn is_endless(&self) -> bool {
        matches!(self, Self::Period { end: u64::MAX, .. })
    }

    /// Whether what is held counts as used from the start, so that nothing is left to do
    /// where all of it was used.
    #[inline]
    pub const fn counts_at_once(&self) -> bool {
        matches!(self, Self::Bucket { .. } | Self::Window { .. } | Self::Sessions { .. })
    }

    /// Whether it counts slots: one for each request or session, given back when it ends.
    #[inline]
    pub const fn is_slot(&self) -> bool {
        matches!(self, Self::Concurrency | Self::Sessions { .. })
    }
}

impl LimitId {
    /// The id of the limit `name` kept per `per`.
    pub fn new(name: &str, per: &[Attribute]) -> Self {
        let parts: Vec<&str> =
            std::iter::once(name).chain(per.iter().map(Attribute::name)).collect();
        Self(hash::stable(&parts))
    }
}

impl ScopeId {
    /// The scope of limits that are kept for all requests together.
    pub const GLOBAL: Self = Self(hash::stable(&[]));

    /// The id of the scope `per`.
    pub fn new(per: &[Attribute]) -> Self {
        let parts: Vec<&str> = per.iter().map(Attribute::name).collect();
        Self(hash::stable(&parts))
    }
}
