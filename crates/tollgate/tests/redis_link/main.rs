//! The way to Redis, with real servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot start has failed")]

mod cluster;
mod faults;
mod guarded;
mod kept;
mod replicas;
mod single;
mod support;
