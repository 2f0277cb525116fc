//! The states of a breaker, and its changes of state as logs, metrics and audits tell them.

use std::{collections::VecDeque, fmt};

use serde::{Deserialize, Serialize};

use crate::Time;

/// Changes of state that are kept until somebody takes them; older ones are forgotten.
pub const MAX_TRANSITIONS: usize = 16;

/// What a breaker does at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everything passes.
    Closed,
    /// Nothing passes.
    Open {
        /// When it is half-open.
        until: Time,
    },
    /// Probes pass.
    HalfOpen {
        /// How many are on their way.
        probes: u32,
        /// How many succeeded.
        successes: u32,
    },
    /// An operator lets nothing pass.
    ForcedOpen,
    /// An operator lets everything pass.
    ForcedClosed,
}

/// A [`State`] without its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "as those of `State`")]
pub enum Phase {
    Closed,
    Open,
    HalfOpen,
    ForcedOpen,
    ForcedClosed,
}

/// What of a breaker outlives its process, so that a restart sends nothing into an outage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Until when it is open; the present where it was half-open.
    pub open_until: Option<Time>,
}

/// A change of state. It is shown as `closed > open (failures)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Time,
    /// From which state.
    pub from: Phase,
    /// To which.
    pub to: Phase,
    /// Because of what.
    pub why: Why,
    /// Which of the breaker's changes it is, from 1: a gap tells that some were forgotten.
    pub number: u64,
}

/// The reason of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// So many calls in a row failed.
    Failures,
    /// Too large a share of calls failed.
    FailureRate,
    /// Too large a share of calls was slow.
    SlowCalls,
    /// It was open for its time.
    TimeIsUp,
    /// A probe failed.
    FailedProbe,
    /// A probe was slow, where slow calls count.
    SlowProbe,
    /// A probe's lease ended without a result.
    LostProbe,
    /// Enough probes succeeded.
    Recovered,
    /// The policy's mode changed.
    Set,
    /// It was open when an earlier process ended.
    Resumed,
}

/// The changes that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Transitions {
    kept: VecDeque<Transition>,
}

impl Transitions {
    pub(super) fn push(&mut self, transition: Transition) {
        if self.kept.len() == MAX_TRANSITIONS {
            self.kept.pop_front();
        }
        self.kept.push_back(transition);
    }

    pub(super) fn take(&mut self) -> impl Iterator<Item = Transition> + '_ {
        self.kept.drain(..)
    }
}

impl Phase {
    /// The name as it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::ForcedOpen => "forced open",
            Self::ForcedClosed => "forced closed",
        }
    }
}

impl Why {
    /// The name as it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::FailureRate => "failure rate",
            Self::SlowCalls => "slow calls",
            Self::TimeIsUp => "time is up",
            Self::FailedProbe => "failed probe",
            Self::SlowProbe => "slow probe",
            Self::LostProbe => "lost probe",
            Self::Recovered => "recovered",
            Self::Set => "set",
            Self::Resumed => "resumed",
        }
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {} ({})", self.from.name(), self.to.name(), self.why.name())
    }
}
