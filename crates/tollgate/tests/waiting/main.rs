//! Waiting instead of failing, through the library: on tokio's paused time where instants
//! matter, and under real threads where schedules do.

mod budgets;
mod crowd;
mod overflow;
mod promises;
mod support;
mod turns;
