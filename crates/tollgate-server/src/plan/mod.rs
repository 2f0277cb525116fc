//! How many sessions a small server can hold, and how a crowd takes turns on them.
//!
//! Arithmetic alone: whole numbers in, whole numbers out, no clock. The safe limit leaves a
//! fifth of the memory to everything but sessions ([`memory`]); [`hosting`] has the plans in
//! use and what they say of themselves; [`waves`] is the timetable of a crowd that is larger
//! than the limit; [`Plan`] joins all of it.

mod hosting;
mod memory;
mod picture;
mod report;
#[cfg(test)]
mod tests;
mod waves;

pub(crate) use memory::{Memory, memory_for};
pub(crate) use picture::bar;
pub(crate) use report::{Hosted, Plan, Timetable};
pub(crate) use waves::{Crowd, Wave};
