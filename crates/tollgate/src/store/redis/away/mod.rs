//! What decides while the shared store is away.
//!
//! Each limit says it: `share`, this node's part of what was left when the node last heard of
//! it; `open`, everything passes; `closed`, nothing does. No decision asks the shared store
//! then, so none waits for it. What was decided is told to it when it is back.

mod alone;
mod complaint;
mod counts;
mod known;
mod members;
mod modes;
mod outbox;
mod steady;
mod switch;
mod terms;

pub(super) use alone::{Alone, Outages};
pub(super) use complaint::Complaint;
pub(super) use counts::Failures;
pub use counts::StoreFailures;
pub(super) use known::Known;
pub use members::Members;
pub(super) use modes::Modes;
pub(super) use outbox::{Entry, Outbox};
pub(super) use steady::Return;
pub use switch::State;
pub(super) use switch::Switch;
pub(super) use terms::Share;
