//! What enters a room, what it is answered, and how it leaves.

use std::{num::NonZeroU32, time::Duration};

use compact_str::CompactString;

use super::{Bill, Priority};
use crate::Time;

/// Who asks for how much.
///
/// Each tenant has a counter of what it was served, `cost / weight`; the tenant with the
/// least is served first. A tenant without waiters does not save up: when it comes back,
/// its counter is lifted to what tenants who waited all the time were served on average, at
/// least to the least of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Who is served.
    pub tenant: CompactString,
    /// The tenant's share beside others; the last one told counts.
    pub weight: NonZeroU32,
    /// What is expected to be consumed, in any unit that is the same for all of a room;
    /// nothing counts as one.
    pub cost: u64,
}

/// A request that comes to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival<T> {
    /// Who asks for how much.
    pub work: Work,
    /// How urgent it is.
    pub priority: Priority,
    /// When it gives up at the latest; sooner if the room's timeout is.
    pub deadline: Time,
    /// Whether something else than this room's account stands in its way: it takes a place,
    /// and its turn only when it [joins](super::Room::join) the others.
    pub aside: bool,
    /// What the layer above needs to wake it.
    pub payload: T,
}

/// What an arrival is answered. Without an id, nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<T> {
    /// It waits. [`Room::place`](super::Room::place) tells where.
    Placed {
        /// Its name in this room, larger than all before.
        id: u64,
    },
    /// It waits in the place of another, which has left.
    Displaced {
        /// Its name in this room, larger than all before.
        id: u64,
        /// Who has left for it.
        who: Departed<T>,
    },
    /// It waits for a place, in the second line; see [`Overflow::Block`](super::Overflow).
    Blocked {
        /// Its name in this room, larger than all before.
        id: u64,
    },
    /// There is no place for it.
    Full {
        /// Which bound is reached.
        bound: Bound,
        /// How many places it has.
        size: usize,
    },
    /// It would wait past its deadline.
    TooLate {
        /// How long it would wait.
        estimate: Duration,
    },
}

/// Which bound of a room is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The places of its tenant.
    Tenant,
    /// The places of the room.
    Room,
}

/// A waiter that was not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departed<T> {
    /// Its name in this room.
    pub id: u64,
    /// When it came.
    pub entered: Time,
    /// Its payload.
    pub payload: T,
}

/// A waiter whose work begins.
#[derive(Debug)]
pub struct Started<T> {
    /// What its tenant was charged; to be settled when the work has ended.
    pub bill: Bill,
    /// How long it waited.
    pub waited: Duration,
    /// Its payload.
    pub payload: T,
}
