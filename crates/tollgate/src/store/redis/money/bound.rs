//! The most that may be spent beyond a limit when the shared store fails.
//!
//! A failover loses what no replica had acknowledged: so much may be granted once more, until
//! the loss is seen and this node's books repair it. While the store is away, a node adds at
//! most its part of what was left when it last heard; where others have used that meanwhile, so
//! much is beyond the limit. For all nodes the bound is the sum of theirs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tollgate_core::{Amounts, LimitId, NanoUsd};

/// What may be spent beyond the limits at worst, by this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overspend {
    /// What was granted and is not known to be on a replica: of each account, a failover may
    /// let pass so much of its unit once more.
    pub unacknowledged: Amounts,
    /// Of each limit, what one account of it may be given beyond its cap while the store is
    /// away; nothing where it is unbounded, since everything passes then.
    pub away: Vec<AccountBound>,
}

/// The bound of each account of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountBound {
    /// The limit.
    pub limit: LimitId,
    /// The most beyond its cap, in its unit; nothing where there is no bound.
    pub at_most: Option<u64>,
}

/// What was granted by the shared store, and how much of it is on a replica.
#[derive(Debug, Default)]
pub(in crate::store::redis) struct Written {
    requests: AtomicU64,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    cost: AtomicU64,
    millis: AtomicU64,
    acknowledged: Mutex<Amounts>,
}

impl Written {
    /// The store has granted so much.
    pub(in crate::store::redis) fn note(&self, amounts: &Amounts) {
        let Amounts { requests, input_tokens, output_tokens, cost, millis } = *amounts;
        for (counter, amount) in [
            (&self.requests, requests),
            (&self.input_tokens, input_tokens),
            (&self.output_tokens, output_tokens),
            (&self.cost, cost.0),
            (&self.millis, millis),
        ] {
            if amount > 0 {
                counter.fetch_add(amount, Relaxed);
            }
        }
    }

    /// All that was granted so far.
    pub(in crate::store::redis) fn total(&self) -> Amounts {
        Amounts {
            requests: self.requests.load(Relaxed),
            input_tokens: self.input_tokens.load(Relaxed),
            output_tokens: self.output_tokens.load(Relaxed),
            cost: NanoUsd(self.cost.load(Relaxed)),
            millis: self.millis.load(Relaxed),
        }
    }

    /// A replica has what had been granted when the total was `so_far`.
    pub(in crate::store::redis) fn acknowledge(&self, so_far: &Amounts) {
        let mut acknowledged = self.acknowledged.lock();
        let more = so_far.beyond(&acknowledged);
        *acknowledged = acknowledged.plus(&more);
    }

    /// What no replica is known to have.
    pub(in crate::store::redis) fn unacknowledged(&self) -> Amounts {
        // Read first, so that what is granted meanwhile is not missing.
        let acknowledged = *self.acknowledged.lock();
        self.total().beyond(&acknowledged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(nanos: u64) -> Amounts {
        Amounts { cost: NanoUsd(nanos), ..Amounts::ONE_REQUEST }
    }

    #[test]
    fn what_a_replica_has_is_not_lost() {
        let written = Written::default();
        written.note(&costs(5));
        let so_far = written.total();
        written.note(&costs(7));
        assert_eq!(written.unacknowledged(), costs(12).plus(&costs(0)));
        written.acknowledge(&so_far);
        assert_eq!(written.unacknowledged(), costs(7));
        written.acknowledge(&Amounts::default());
        assert_eq!(written.unacknowledged(), costs(7), "an answer that comes late takes nothing");
    }
}
