//! Several nodes over real servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot start has failed")]

mod conformance;
mod failures;
mod start;
mod support;
