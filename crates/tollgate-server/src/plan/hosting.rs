//! The hosting plans in use, and whether what they say is safe.

use serde::Serialize;

use super::memory::{Memory, safe_limit};

/// One plan of a hosting provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Hosting {
    pub(crate) name: &'static str,
    #[serde(rename = "ram_mb")]
    pub(crate) ram: Memory,
    /// What a month costs, in whole dollars.
    pub(crate) usd_per_month: u32,
    /// The cap on sessions that is in use on this plan.
    pub(crate) sessions_in_use: u64,
}

/// The plans in use, from the smallest to the largest.
pub(crate) const HOSTING: [Hosting; 4] = [
    Hosting::new("Free", 512, 0, 6),
    Hosting::new("Starter", 1024, 7, 12),
    Hosting::new("Standard", 2048, 25, 25),
    Hosting::new("Pro", 8192, 85, 100),
];

impl Hosting {
    const fn new(name: &'static str, ram_mb: u32, usd_per_month: u32, sessions: u64) -> Self {
        Self { name, ram: Memory::from_mb(ram_mb), usd_per_month, sessions_in_use: sessions }
    }

    /// How many sessions of that size are safe on it.
    pub(crate) fn safe_limit(&self, session: Memory) -> u64 {
        safe_limit(self.ram, session)
    }

    /// Whether more sessions are in use than are safe.
    pub(crate) fn exceeds(&self, session: Memory) -> bool {
        self.sessions_in_use > self.safe_limit(session)
    }
}
