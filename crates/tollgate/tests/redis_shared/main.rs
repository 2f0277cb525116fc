//! The store that decides in Redis, with real servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot start has failed")]

mod clocks;
mod conformance;
mod damage;
mod differential;
mod histories;
mod models;
#[path = "../naive/mod.rs"]
mod naive;
mod nodes;
mod parts;
mod support;
