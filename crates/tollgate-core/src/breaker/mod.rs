//! The circuit breaker before one provider's model: work that would fail is not sent.
//!
//! A [`Breaker`] promises:
//!
//! - **Closed, it refuses nobody.** It opens when so many calls in a row have failed, or when
//!   too large a share of the recent ones failed or was slow.
//! - **Open, it lets nobody pass until an instant that it tells**, at which it is half-open
//!   whatever happens meanwhile.
//! - **Half-open, so many probes at most are on their way.** Each holds a lease. A probe that
//!   fails, or whose lease ends without a result, opens it again; so many successes close it.
//! - **A result counts for the state in which its call began**, and for no later one.
//! - **What is the caller's own fault counts as nothing**, but gives a probe back. Neither does
//!   a provider's "too many requests" count, unless the policy says so: that is what learned
//!   limits are for.
//! - **Bounded.** It remembers [`MAX_CALLS`] calls or [`BUCKETS`] sums, [`MAX_PROBES`] leases and
//!   [`MAX_TRANSITIONS`] changes of state at most.
//!
//! There is no clock here: the present is an argument, and what time alone has changed has
//! happened at its own instant by the next question.

mod machine;
mod outcome;
mod probes;
mod settings;
mod state;
mod window;

pub use machine::Breaker;
pub use outcome::{Admission, Counts, Outcome, Ticket};
pub use probes::MAX_PROBES;
pub use settings::{BreakerSettings, Mode, Throttled, Window};
pub use state::{MAX_TRANSITIONS, Phase, Saved, State, Transition, Why};
pub use window::{BUCKETS, MAX_CALLS};
