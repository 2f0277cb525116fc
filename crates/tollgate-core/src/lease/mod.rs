//! Leases: a node takes a slice of a hot account's room for a short time and decides by itself.
//!
//! The store's side is an [`Account`], which grants; a node's side is a [`Holding`], which spends
//! what was granted and asks for more ahead of need. They promise, whatever is delayed, lost or
//! dies, as far as clocks run within the [margin](Terms::fence):
//!
//! - **The limit is never passed in the true sense.** A unit that is leased counts from the
//!   moment it is granted, and in such a way that it leaves no earlier than if it had been used
//!   at the last instant of the lease ([`Terms::lasts`] says how for each kind). So the arithmetic
//!   of limits stays as it is, and accounts do not change when they are leased.
//! - **A lease is fenced at its end.** Its time is counted from when it was asked for by the
//!   node's own clock, so no two clocks need to agree, and slow clocks are allowed for.
//! - **What is not used comes back**: at the end of the lease, or as soon as it is seen that a
//!   node has more than it needs. What a node had that died counts as used, and so leaves with time
//!   like all that is.
//! - **Foresight takes only a share.** What requests wait for is granted as an exact decision
//!   would; what is granted beyond that is at most half of an equal [`share`] of what is left then.
//!   So where room is short, decisions are exact ones, one call for all who wait.
//! - **Windows and buckets are leased**, but small ones ([`Terms::allows`]): whose units can be
//!   counted one by one, and whose lease would be too short to be worth a call. What is held until
//!   work ends (budgets, slots, sessions) is decided exactly.
//!
//! There is no clock here: the present is an argument.

mod account;
mod asked;
mod heat;
mod holding;
mod pace;
mod share;
mod terms;

pub use account::Account;
pub use asked::{Ask, Back, Grant};
pub use heat::{Heat, HeatSettings};
pub use holding::{Holding, Taken};
pub use share::share;
pub use terms::{MAX_EXACT, Terms};
