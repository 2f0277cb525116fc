//! What stands in the shared store of one node.

use std::time::Duration;

use super::{Facts, Node, Pace};

/// One node's entry, as it is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// When it was written, in microseconds of the server's clock.
    pub(super) at: u64,
    pub(super) beat: u64,
    pub(super) process: u64,
    pub(super) facts: Facts,
}

impl Entry {
    /// Nothing where another version wrote something else.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ' ');
        let (at, beat) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let process = u64::from_str_radix(parts.next()?, 16).ok()?;
        let facts = serde_json::from_str(parts.next()?).ok()?;
        Some(Self { at, beat, process, facts })
    }

    /// What it says of a node, at an instant of the server.
    pub(super) fn node(self, name: String, now: u64, pace: &Pace) -> Node {
        let silent = Duration::from_micros(now.saturating_sub(self.at));
        let is_live = silent <= pace.dead;
        Node { name, process: self.process, silent, is_live, facts: self.facts }
    }
}

/// A process, as it is written.
pub(super) fn process_text(process: u64) -> String {
    format!("{process:016x}")
}
