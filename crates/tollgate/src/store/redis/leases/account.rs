//! One account of which this node leases.

use std::sync::Arc;

use compact_str::CompactString;
use tollgate_core::{
    Charge, LimitId, Retry, Rule, ScopeId, Standing, Time,
    lease::{Ask, Holding},
};

use super::LeaseAsk;

/// An account's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) scope: ScopeId,
    pub(super) key: CompactString,
    pub(super) limit: LimitId,
}

/// One account, and what this node has leased of it.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: Arc<Name>,
    pub(super) hash: u64,
    pub(super) place: u8,
    /// Its rule is the one that leases are asked for by.
    charge: Charge,
    pub(super) holding: Holding,
    /// What was left for everybody when it was asked last.
    pub(super) left: u64,
    /// What was refused last, and for how long.
    pub(super) refused: Option<(Charge, Retry)>,
    /// Whether it is decided exactly from now on, since it has become cool or can't be leased.
    pub(super) is_exact: bool,
    pub(super) idle_looks: u32,
}

impl Account {
    /// One of which nothing is leased yet.
    pub(super) fn new((name, hash): (Name, u64), place: u8, charge: &Charge, now: Time) -> Self {
        Self {
            name: Arc::new(name),
            hash,
            place,
            charge: *charge,
            holding: Holding::new(now),
            left: 0,
            refused: None,
            is_exact: false,
            idle_looks: 0,
        }
    }

    pub(super) fn is(&self, scope: ScopeId, key: &str, limit: LimitId) -> bool {
        self.name.limit == limit && self.name.scope == scope && self.name.key == key
    }

    /// Whether who has this rule may take of what is leased. Who has less would get more than
    /// that, and units that are counted in another way can't be given back in this one: then all
    /// is given back first, and leased anew by the new rule.
    pub(super) fn serves(&mut self, rule: &Rule) -> bool {
        self.is_exact |= self.charge.rule.kind != rule.kind || rule.cap < self.charge.rule.cap;
        !self.is_exact
    }

    /// Whether a parcel of this charge was taken of what is leased now.
    pub(super) fn gave(&self, charge: &Charge) -> bool {
        self.charge.rule.kind == charge.rule.kind
    }

    pub(super) fn ask(&self, ask: Ask) -> LeaseAsk {
        let Name { scope, key, .. } = &*self.name;
        LeaseAsk { scope: *scope, key: key.clone(), charge: self.charge, ask }
    }

    /// For how long no less than was refused a moment ago is refused still, if that holds for a
    /// charge.
    pub(super) fn refusal(&self, charge: &Charge, now: Time) -> Option<Retry> {
        let (refused, retry) = self.refused?;
        let holds = match retry {
            Retry::At(at) => now < at,
            Retry::NotBefore(_) => true,
            Retry::Never => false,
        };
        let is_same = refused.rule == charge.rule && refused.amount <= charge.amount;
        (holds && is_same).then_some(retry)
    }

    /// Where it stands, about: what nobody has leased, and what this node has. More may be left
    /// from `reset` on.
    pub(super) fn standing(&self, charge: &Charge, reset: Time, now: Time) -> Standing {
        let remaining = self.left.saturating_add(self.holding.free(now));
        Standing { remaining: remaining.min(charge.rule.cap), ..Standing::unused(charge, reset) }
    }
}
