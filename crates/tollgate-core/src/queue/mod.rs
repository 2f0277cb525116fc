//! The waiting room: who waits, in which order they are served, and when they give up.
//!
//! A [`Room`] is the queue before one account, or before one global limit. It promises:
//!
//! - **Bounded.** Never more waiters than its [`Rules`] say, in all and of each tenant.
//! - **Nobody is lost.** Each waiter leaves once: started, left, displaced or expired. It
//!   is not started once its deadline has come.
//! - **By urgency, without starving.** The more urgent [`Priority`] first; but a class that
//!   is passed over rises one level for every [`Rules::ageing`], beyond the most urgent at
//!   last. Once class `p` went unserved for `(p + 1) * ageing`, at most one start of each
//!   other class goes before it, whatever arrives. (Classes at or above [`Rules::bypass`]
//!   stand outside of this: they always go first.)
//! - **Fair among equals.** Within a class, tenants are served by what they consumed, not
//!   by how much they ask: see [`Work`]. Within a tenant and class, first come first served.
//!
//! A *class* ages, not each waiter, and its age starts anew with each of its starts. Else a
//! tenant could queue so much that its own backlog, grown old, went before the first request
//! of everybody else; and a flood of aged idle work would crowd urgent work out, where here
//! it gets one start at a time.
//!
//! There is no clock, lock or waker here. The present is an argument, and what a layer needs
//! to wake a waiter is the waiter's payload, `T`. That layer, when there may be capacity,
//! takes out who [expired](Room::expired), tries the [candidates](Room::candidates) until
//! one is accepted, [starts](Room::start) it, and [settles](Room::settled) its bill when the
//! work ended. It sets one timer, for the [next deadline](Room::next_deadline).

mod arrival;
mod blocked;
mod candidates;
mod fair;
mod level;
mod pace;
mod place;
mod places;
mod priority;
mod room;
mod rules;

#[cfg(test)]
mod tests;

pub use arrival::{Arrival, Bound, Departed, Entry, Started, Work};
pub use candidates::{Candidate, Candidates};
pub use fair::{Bill, MAX_RESTING};
pub use priority::{ParsePriorityError, Priority};
pub use room::Room;
pub use rules::{MAX_BLOCKED, MAX_BLOCKED_PER_TENANT, MAX_SIZE, Overflow, Rules};
