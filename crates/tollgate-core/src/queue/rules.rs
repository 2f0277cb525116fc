//! What an operator says about one queue.

use std::time::Duration;

use super::Priority;

/// The most waiters any room takes, whatever its rules say.
pub const MAX_SIZE: usize = 100_000;

/// The most waiters that stand in the second line of a room; see [`Overflow::Block`].
pub const MAX_BLOCKED: usize = 10_000;

/// The most of them that one tenant has.
pub const MAX_BLOCKED_PER_TENANT: usize = 1_000;

/// What an operator says about one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The most waiters, at most [`MAX_SIZE`]; none wait with 0.
    pub size: usize,
    /// The most waiters of one tenant.
    pub per_tenant: Option<usize>,
    /// The longest that anybody waits, also in the second line.
    pub timeout: Duration,
    /// What an arrival at a full queue does.
    pub overflow: Overflow,
    /// Requests at or above this priority are served before all others, by priority,
    /// however long others waited. It changes their order alone: a full queue is full for
    /// them too.
    pub bypass: Option<Priority>,
    /// After how long unserved a class counts as one level more urgent; never with zero.
    pub ageing: Duration,
}

/// What an arrival at a full queue does.
///
/// The queue is full for it when its tenant has all the places it may have, or when the
/// room has none; the first is looked at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// It is refused.
    DropNewest,
    /// It takes the place of the oldest waiter in the least urgent class, as classes have
    /// aged: of its own tenant if that is what is full, else of the room. It is refused
    /// where that waiter is more urgent than itself.
    DropOldest,
    /// It stands in a second line, without a place: it is not served, but its deadline runs,
    /// and when it gets a place, its class is as old as if it had had it all the time. Whenever a place is free, the first in that line whose
    /// tenant may have one gets it. The line is bounded by [`MAX_BLOCKED`] and
    /// [`MAX_BLOCKED_PER_TENANT`]; beyond them, the arrival is refused.
    Block,
}

impl Rules {
    /// The most waiters with a place.
    pub(super) fn size(&self) -> usize {
        self.size.min(MAX_SIZE)
    }

    /// Whether a tenant with so many places may have one more.
    pub(super) fn allow_tenant(&self, placed: usize) -> bool {
        self.per_tenant.is_none_or(|most| placed < most)
    }
}
