//! Waiting instead of failing: one mechanism behind every limit that has a queue.
//!
//! - A request that only limits with queues stand in the way of **waits**, in the room of each
//!   such limit that it is charged to. It competes where a limit is in its way, and stands
//!   aside in the other rooms: it counts against their bounds, but holds nobody up there.
//! - **It charges nothing** until it starts. It starts by the same decision as any other
//!   request, so what is promised of decisions is promised of it.
//! - **Nobody overtakes**: while others compete for an account, whoever comes joins them.
//! - **No polling and no herd.** Who ends work, or leaves, looks for the next one in line and
//!   hands it its permit; an alarm does so at the instant that a limit promised.
//! - **Nobody is lost.** Each waiter is told once: its permit, or why not. A waiter that goes
//!   away leaves its places, and a permit that nobody takes any more is voided.
//! - **Plans are made anew.** Who brings a planner asks for what it plans when its turn comes,
//!   not for what it planned when it came: no more than that is held, and no less.
//!
//! The order of service is the core's: see [`tollgate_core::queue`].

mod alarm;
mod depth;
mod entering;
mod guest;
mod hall;
mod serving;
mod turn;

pub use depth::QueueDepth;
pub use turn::{Entered, Patience, Planner, Waiting};

pub(crate) use alarm::Alarm;
pub(crate) use guest::Stay;
pub(crate) use hall::Hall;
pub(crate) use serving::{bare, serve, told};
