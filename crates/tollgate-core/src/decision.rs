//! What a store answers: run now, wait, or no, and for how long no.

use std::time::Duration;

use smallvec::SmallVec;

use crate::{Charge, LimitId, Time};

/// The answer to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may run: every charge is held.
    Admit(Admission),
    /// It may not run yet, but has a place in a queue; nothing is charged.
    Wait(Waiting),
    /// It may not run; nothing is charged.
    Refuse(Refusal),
}

/// A request that may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    /// Where each account stands now, when the order asked for a report.
    pub standings: SmallVec<[Standing; 8]>,
    /// Shadow limits that would have refused it.
    pub shadowed: SmallVec<[LimitId; 2]>,
}

/// A request that waits its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The limit that it waits for.
    pub limit: LimitId,
    /// When to ask again if nothing wakes it earlier.
    pub until: Option<Time>,
}

/// A request that may not run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The limit that stands in the way the longest.
    pub limit: LimitId,
    /// When to come back.
    pub retry: Retry,
    /// Where each account stands, when the order asked for a report.
    pub standings: SmallVec<[Standing; 8]>,
    /// Shadow limits that would have refused it too.
    pub shadowed: SmallVec<[LimitId; 2]>,
}

/// When a refused request is worth asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Refused at every instant before this one and admitted at it, if nothing else happens.
    At(Time),
    /// Refused before this instant; after it, it depends on when others end.
    NotBefore(Time),
    /// Waiting does not help: it asks for more than the limit ever allows, or than is left
    /// of one that never begins anew.
    Never,
}

/// Where one account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The account's limit.
    pub limit: LimitId,
    /// The most it allows.
    pub cap: u64,
    /// What is left of it.
    pub remaining: u64,
    /// What of the rest is reserved and may come back when work ends; 0 where what is
    /// reserved counts as used, as in windows and buckets.
    pub held: u64,
    /// What of a period is used above the cap, as where that was lowered since.
    pub above: u64,
    /// When more is left, if nothing else happens: the next unit to age out or refill, the
    /// period's end ([`Time::MAX`] if it has none); for slots, no later than this instant is
    /// known.
    pub reset: Time,
}

impl Standing {
    /// Where an account stands that was never used.
    pub const fn unused(charge: &Charge, now: Time) -> Self {
        let cap = charge.rule.cap;
        Self { limit: charge.limit, cap, remaining: cap, held: 0, above: 0, reset: now }
    }

    /// Whether so much would have room if nothing were reserved: then it is worth waiting
    /// for what others give back.
    pub const fn has_room_beside_holds(&self, amount: u64) -> bool {
        self.held > 0 && self.remaining.saturating_add(self.held) >= amount
    }

    /// What is used for good, whatever comes back of what is reserved.
    pub const fn spent(&self) -> u64 {
        let used = self.cap.saturating_sub(self.remaining).saturating_add(self.above);
        used.saturating_sub(self.held)
    }
}

impl Retry {
    /// The later of two answers: what must hold for both to be admitted.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Never, _) | (_, Self::Never) => Self::Never,
            (Self::At(a), Self::At(b)) => Self::At(a.max(b)),
            (Self::At(a) | Self::NotBefore(a), Self::At(b) | Self::NotBefore(b)) => {
                Self::NotBefore(a.max(b))
            }
        }
    }

    /// The promised instant, if it is one.
    pub const fn promised(self) -> Option<Time> {
        match self {
            Self::At(at) => Some(at),
            Self::NotBefore(_) | Self::Never => None,
        }
    }

    /// How long to wait from `now`; `otherwise` where no instant is promised and no later
    /// bound is known, nothing where waiting does not help.
    pub fn wait(self, now: Time, otherwise: Duration) -> Option<Duration> {
        match self {
            Self::At(at) => Some(at.since(now)),
            Self::NotBefore(at) => Some(at.since(now).max(otherwise)),
            Self::Never => None,
        }
    }
}
