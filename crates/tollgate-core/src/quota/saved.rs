//! What is known of a provider's limits, as one process leaves it to the next: how much is left
//! for how long, and no instants, since the next one has others.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Each, MAX_CLOSED, UNITS};
use crate::Time;

/// What a process knows that ends. The next one [resumes](super::Quota::resume) it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedQuota {
    /// As [`UNITS`] are ordered, like all of these.
    pub(super) left: [Option<SavedLeft>; UNITS.len()],
    pub(super) is_even: [bool; UNITS.len()],
    /// What was sent and may not be in what is left.
    pub(super) unseen: Each,
    pub(super) opening: Option<SavedOpening>,
}

/// What is left of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedLeft {
    pub(super) limit: Option<u64>,
    pub(super) remaining: u64,
    pub(super) reset_in: Duration,
    pub(super) window: Duration,
}

/// Closed by a refusal, or opening again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedOpening {
    pub(super) opens_in: Duration,
    /// Until it is open altogether.
    pub(super) is_open_in: Duration,
    pub(super) silent: u32,
}

/// What is taken from another process is not sure until the provider has told it anew: what that
/// one did at last may be missing. So one request at a time asks for it, but not for ever: after
/// a while all that was on its way is told, or is never told.
#[derive(Debug)]
pub(super) struct Unsure {
    /// Numbers of what is sent from then on have all that was sent before.
    pub(super) until: Time,
    /// When the one was sent that is on its way.
    pub(super) asked_at: Option<Time>,
}

/// How long others wait for its answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl SavedQuota {
    /// For how long any of it means something.
    pub fn lasts(&self) -> Duration {
        let resets = self.left.iter().flatten().map(|left| left.reset_in);
        let opening = self.opening.map(|opening| opening.is_open_in);
        let is_even = self.is_even.contains(&true).then_some(MAX_CLOSED);
        resets.chain(opening).chain(is_even).max().unwrap_or_default()
    }
}

impl Unsure {
    /// Until when another one waits, unless an answer comes before.
    pub(super) fn holds_until(&self) -> Time {
        self.asked_at.map_or(Time::ZERO, |asked_at| asked_at.min(self.until).after(PATIENCE))
    }

    /// Whether it was asked for long enough, told or not.
    pub(super) fn is_over(&self, now: Time) -> bool {
        now >= self.until.after(PATIENCE)
    }
}
