//! Money that is not lost with the shared store: each node's books are true, what it settled
//! is published as counters that only grow, and what may be spent twice has a bound.

mod bound;
mod lately;
mod witness;

pub(super) use bound::Written;
pub use bound::{AccountBound, Overspend};
pub(super) use lately::{Lately, Told};
pub(super) use witness::Witness;
