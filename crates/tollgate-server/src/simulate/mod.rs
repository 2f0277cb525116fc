//! What a policy does to so many users, or to a trace, before anybody decides anything.
//!
//! The promise: it is the gateway itself that decides. The policy is parsed, its gate, waiting
//! rooms, guards, prices and models are made, and every request goes through
//! [`gateway::answer`](crate::gateway::answer) as one that came over the network does. Two things
//! are put in the place of others: time, which is the runtime's and jumps to the next instant at
//! which something happens, so that an hour takes as long as its work; and each provider, which is
//! the simulated one with limits of its own. Nothing is sent or written anywhere, and the same seed
//! gives the same numbers.
//!
//! Users are those of `load`: each thinks, asks, waits for its answer and thinks again. Traces are
//! those of `replay`.

mod asking;
mod outcome;
mod page;
mod plot;
mod report;
mod row;
mod run;
mod scene;
mod tally;
#[cfg(test)]
mod tests;
mod world;

pub(crate) use page::page;
pub(crate) use report::{Report, percentage};
pub(crate) use row::Verdict;
pub(crate) use run::run_all;
pub(crate) use scene::{Crowding, Scene, Size, Variation};
