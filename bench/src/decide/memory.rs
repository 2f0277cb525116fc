//! What a user costs in memory, by what the process really occupies.

use serde::Serialize;

use super::{USERS, sides::Tollgates};
use crate::resident;

/// Bytes, measured from the process's resident pages.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    /// Resident bytes for each of the users, all of a user's windows and the budget.
    pub(crate) bytes_per_user: f64,
    /// Keys that are left when all users were idle for longer than every limit remembers.
    pub(crate) keys_after_idle: usize,
}

pub(crate) fn measure() -> Memory {
    let side = Tollgates::per_user_as_shipped();
    let everybody: Vec<u32> = (0..USERS as u32).collect();
    let before = resident::bytes();
    side.decide(&everybody);
    let after = resident::bytes();
    let bytes_per_user = (after - before) as f64 / USERS as f64;
    Memory { bytes_per_user, keys_after_idle: side.keys_after_two_days() }
}
