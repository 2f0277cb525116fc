//! The fault matrix: three gateways before one Redis, whatever happens between.
//!
//! Each schedule comes from a seed, and its text says all that happened. While it lasts, the
//! gateways ask, hold and settle all the time. No limit is passed by more than the bound that
//! they publish, by nothing where limits are closed meanwhile; and five seconds after all is well
//! again, the numbers in Redis are the sums of what was settled.

#![allow(clippy::unwrap_used, reason = "a test that cannot start has failed")]

mod gateways;
mod matrix;
mod users;
