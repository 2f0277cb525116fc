//! What stands in the way of an order.

use smallvec::SmallVec;
use tollgate_core::{Charge, LimitId, Retry, Time};

/// The limits that would refuse, and which of them does the longest.
#[derive(Debug, Default)]
pub(super) struct Obstacles {
    pub(super) binding: Option<(LimitId, Retry)>,
    pub(super) shadowed: SmallVec<[LimitId; 2]>,
}

impl Obstacles {
    pub(super) fn is_none(&self) -> bool {
        self.binding.is_none() && self.shadowed.is_empty()
    }

    /// Notes what stands in the way of a charge.
    pub(super) fn add(&mut self, charge: &Charge, retry: Retry) {
        if charge.shadow {
            self.would_refuse(charge);
            return;
        }
        self.block(charge.limit, retry);
    }

    /// Notes a limit that would refuse, were it not in shadow; a soft budget never would.
    fn would_refuse(&mut self, charge: &Charge) {
        if !charge.warn.soft {
            self.shadowed.push(charge.limit);
        }
    }

    /// The binding limit is the one that stands in the way the longest; all must yield.
    fn block(&mut self, limit: LimitId, retry: Retry) {
        self.binding = Some(match self.binding {
            None => (limit, retry),
            Some((other, before)) => {
                let longest = if longer(retry, before) { limit } else { other };
                (longest, before.and(retry))
            }
        });
    }
}

fn longer(a: Retry, b: Retry) -> bool {
    let until = |retry| match retry {
        Retry::At(at) | Retry::NotBefore(at) => at,
        Retry::Never => Time::MAX,
    };
    until(a) > until(b)
}
