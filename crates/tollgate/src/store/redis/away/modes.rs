//! What decides about each limit while the shared store is away.

use hashbrown::HashMap;
use tollgate_core::{LimitId, Policy, Time, policy::settings::OnStoreFailure};

/// What decides about every limit.
#[derive(Debug, Clone, Default)]
pub(in crate::store::redis) struct Modes {
    usual: OnStoreFailure,
    /// Of limits that say it themselves.
    own: HashMap<LimitId, OnStoreFailure, foldhash::fast::RandomState>,
    /// The limits that can refuse, each with its cap for everybody.
    caps: Vec<(LimitId, u64)>,
}

impl Modes {
    /// The same of all limits of a policy but those that say it themselves.
    pub(in crate::store::redis) fn new(usual: OnStoreFailure, policy: &Policy) -> Self {
        let limits = policy.limits().iter().chain(policy.granted_limits());
        let own = limits.filter_map(|limit| Some((limit.id, limit.on_store_failure?)));
        let own = own.collect();
        let caps = policy.limits().iter().filter(|limit| limit.refuses());
        let caps = caps.map(|limit| (limit.id, limit.measure.rule(Time::ZERO).cap)).collect();
        Self { usual, own, caps }
    }

    pub(in crate::store::redis) fn of(&self, limit: LimitId) -> OnStoreFailure {
        self.own.get(&limit).copied().unwrap_or(self.usual)
    }

    /// The limits that can refuse, with their caps and what decides about them.
    pub(in crate::store::redis) fn limits(
        &self,
    ) -> impl Iterator<Item = (LimitId, u64, OnStoreFailure)> {
        self.caps.iter().map(|(limit, cap)| (*limit, *cap, self.of(*limit)))
    }
}
