//! Alerts: when they begin and end, how health is scored, what counters grew by.

mod health;
mod machine;
mod recent;
