//! Leases before real servers: the script against the core's model, and nodes at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot start has failed")]

mod conformance;
mod faults;
mod model;
mod modes;
mod nodes;
mod support;
