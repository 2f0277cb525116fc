//! When the task that a permit is for should end, and when the permit ends whatever it does.

use std::time::Duration;

use serde::Serialize;
use tollgate_core::{Attributes, Now, Time, policy::settings::Tasks};

use super::Instant;

/// The deadlines of a task; none of work that is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Deadlines {
    soft: Option<Time>,
    hard: Option<Time>,
}

/// The same, as they are told.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
pub(super) struct DeadlinesShown {
    /// When the task should end by itself, where the policy says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    soft_deadline_at: Option<Instant>,
    /// When the permit ends, renewed or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    hard_deadline_at: Option<Instant>,
    /// Whether the task should end now: its soft time limit is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    should_end: Option<bool>,
}

impl Deadlines {
    /// Those of work that is admitted now.
    pub(super) fn of(tasks: &Tasks, who: &Attributes, now: Now) -> Self {
        let (soft, hard) = tasks.limits_of(who);
        let at = |limit: Duration| now.time.after(limit);
        Self { soft: soft.map(at), hard: hard.map(at) }
    }

    /// An expiry that is no later than the last of them.
    pub(super) fn cap(self, expires: Time) -> Time {
        self.hard.map_or(expires, |hard| hard.min(expires))
    }

    /// Whether the last of them is over.
    pub(super) fn are_over(self, now: Now) -> bool {
        self.hard.is_some_and(|hard| hard <= now.time)
    }

    pub(super) fn shown(self, now: Now) -> DeadlinesShown {
        DeadlinesShown {
            soft_deadline_at: self.soft.map(|at| Instant::new(at, now)),
            hard_deadline_at: self.hard.map(|at| Instant::new(at, now)),
            should_end: self.soft.map(|soft| soft <= now.time),
        }
    }
}
