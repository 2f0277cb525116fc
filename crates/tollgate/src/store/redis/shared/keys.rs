//! What things are called in Redis, and under which tag they lie.
//!
//! A single server has one tag; a cluster has 256, and a cell's is told by the first of its
//! key's values, so that what is a user's lies together.

use tollgate_core::{LimitId, ReservationId, ScopeId};

/// Tags of a cluster: few enough to look through, and enough to share out.
const TAGS: u16 = 256;

/// Stands between the values of a key.
const SEPARATOR: char = '\u{1f}';

/// Names, each beginning with the prefix.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
    tags: u16,
}

impl Keys {
    pub(super) fn new(prefix: &str, is_cluster: bool) -> Self {
        Self { prefix: prefix.to_owned(), tags: if is_cluster { TAGS } else { 1 } }
    }

    pub(super) const fn tags(&self) -> u16 {
        self.tags
    }

    pub(super) fn tag_of(&self, key: &str) -> u8 {
        let first = key.split(SEPARATOR).next().unwrap_or_default();
        self.shared_out(first.as_bytes())
    }

    /// Where the record of an id lies that may be asked for by anybody.
    pub(super) fn home(&self, id: ReservationId) -> u8 {
        self.shared_out(&id.0.to_le_bytes())
    }

    pub(super) fn record(&self, tag: u8, id: ReservationId) -> Vec<u8> {
        format!("{}:{{{tag}}}:r:{:032x}", self.prefix, id.0).into_bytes()
    }

    pub(super) fn expiries(&self, tag: u8) -> Vec<u8> {
        format!("{}:{{{tag}}}:x", self.prefix).into_bytes()
    }

    pub(super) fn cell(&self, tag: u8, scope: ScopeId, key: &str) -> Vec<u8> {
        format!("{}:{{{tag}}}:c:{:016x}:{key}", self.prefix, scope.0).into_bytes()
    }

    /// What the names of counters begin with; as long as what those of cells begin with, which
    /// scripts know.
    pub(super) fn counters(&self, tag: u8) -> Vec<u8> {
        format!("{}:{{{tag}}}:m:", self.prefix).into_bytes()
    }

    pub(super) fn seats(&self, tag: u8, scope: ScopeId, limit: LimitId, key: &str) -> Vec<u8> {
        let (prefix, scope, limit) = (&self.prefix, scope.0, limit.0);
        format!("{prefix}:{{{tag}}}:s:{scope:016x}:{limit:016x}:{key}").into_bytes()
    }

    /// The channel on which nodes tell that something was given back.
    pub(super) fn freed(&self) -> String {
        format!("{}:freed", self.prefix)
    }

    /// The channel on which nodes tell what they ended of others'.
    pub(super) fn ended(&self) -> String {
        format!("{}:ended", self.prefix)
    }

    /// The same on every node (FNV-1a).
    fn shared_out(&self, bytes: &[u8]) -> u8 {
        (stable(bytes) % u64::from(self.tags)) as u8
    }
}

/// A hash that is the same on every machine and in every version, mixed to its low bits.
pub(super) fn stable(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}
