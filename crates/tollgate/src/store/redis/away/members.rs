//! How many nodes share, and which of them this one is.

use crate::store::redis::nodes;

/// The nodes that were last known to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Members {
    /// How many, this one among them; at least 1.
    pub live: u64,
    /// This one's place among them in the order of their names, from 0.
    pub rank: u64,
}

impl Members {
    /// This node alone.
    pub const ALONE: Self = Self { live: 1, rank: 0 };

    /// Nobody has told how many there are: then no part is this node's own.
    pub(in crate::store::redis) const UNKNOWN: Self = Self { live: u64::MAX, rank: u64::MAX };

    /// So many as there were once, of which this one is any.
    pub(in crate::store::redis) const fn any_of(live: u64) -> Self {
        Self { live, rank: live }
    }

    /// Whether nobody has told how many there are.
    pub(in crate::store::redis) const fn are_unknown(self) -> bool {
        self.live == u64::MAX
    }

    /// Those of a heartbeat, as the node of a name sees them. One that does not stand there yet
    /// counts itself.
    pub fn of(members: &nodes::Members, name: &str) -> Self {
        let live = || members.nodes.iter().filter(|node| node.is_live);
        let before = live().filter(|node| node.name.as_str() < name).count() as u64;
        let others = live().filter(|node| node.name != name).count() as u64;
        Self { live: others + 1, rank: before }
    }

    /// This node's part of an amount. The parts of all nodes are the whole: what does not
    /// divide goes to the first ones.
    pub const fn share(self, of: u64) -> u64 {
        let live = if self.live == 0 { 1 } else { self.live };
        of / live + (self.rank < of % live) as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_of_all_nodes_are_the_whole(live in 1_u64..50, of in 0_u64..1_000_000) {
            let parts = (0..live).map(|rank| Members { live, rank }.share(of));
            prop_assert_eq!(parts.sum::<u64>(), of);
        }
    }
}
