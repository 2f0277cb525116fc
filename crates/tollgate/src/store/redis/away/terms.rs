//! What an order asks of this node's own books while the shared store is away.

use smallvec::{SmallVec, smallvec};
use tollgate_core::{
    Charge, Decision, Group, Kind, LimitId, Now, Order, Retry, Rule, Standing, Time,
    policy::settings::OnStoreFailure,
};

use super::{Known, Modes, known::Outage};

/// How accounts are shared while the store is away.
#[derive(Debug)]
pub(in crate::store::redis) struct Share<'a> {
    pub(in crate::store::redis) modes: &'a Modes,
    pub(in crate::store::redis) known: &'a Known,
    pub(in crate::store::redis) outage: Outage,
}

/// On which terms an order is asked.
#[derive(Debug)]
pub(in crate::store::redis) struct Terms<'a> {
    /// The limit that only the shared store may decide, if there is one.
    pub(in crate::store::redis) closed: Option<LimitId>,
    /// What is asked of the books in the place of the order. A charge that may use less than
    /// its cap asks for as much more: the account has room for both, or for neither.
    pub(in crate::store::redis) asked: Order<'a>,
    /// Which part of each charge's cap is this node's own, where it is shared.
    within: Vec<Option<u64>>,
    /// What decides, for the counter: the strictest of all.
    pub(in crate::store::redis) mode: OnStoreFailure,
}

impl Share<'_> {
    /// What decides about a limit. Where nobody has told how many share, nothing may be shared.
    pub(in crate::store::redis) fn mode(&self, limit: LimitId) -> OnStoreFailure {
        match self.modes.of(limit) {
            OnStoreFailure::Share if self.outage.members.are_unknown() => OnStoreFailure::Closed,
            mode => mode,
        }
    }

    /// The terms of an order.
    pub(in crate::store::redis) fn terms<'a>(&self, order: &Order<'a>, now: Now) -> Terms<'a> {
        let mut asked = order.clone();
        asked.charges.clear();
        let mut terms =
            Terms { closed: None, asked, within: Vec::new(), mode: OnStoreFailure::Open };
        for (group, charges) in order.parts() {
            for charge in charges {
                let mode = self.mode(charge.limit);
                let (asked, within) = match mode {
                    _ if charge.shadow => (*charge, None),
                    OnStoreFailure::Open => (unbounded(charge), None),
                    OnStoreFailure::Closed => {
                        terms.closed = terms.closed.or(Some(charge.limit));
                        (*charge, None)
                    }
                    OnStoreFailure::Share => {
                        let place = (group.scope, group.key.as_str());
                        let part = self.known.part(place, charge, &self.outage, now);
                        (within(charge, part.within), Some(part.within))
                    }
                };
                if !charge.shadow {
                    terms.mode = stricter(terms.mode, mode);
                }
                terms.asked.charges.push(asked);
                terms.within.push(within);
            }
        }
        terms
    }

    /// What an order asks of the buckets that this node has for itself, which refill at its
    /// share of the rate. The books keep the bucket of all nodes, which does not say that.
    pub(in crate::store::redis) fn buckets<'a>(&self, order: &Order<'a>, now: Now) -> Buckets<'a> {
        let bare = Order { groups: SmallVec::new(), charges: SmallVec::new(), ..order.clone() };
        let (mut own, mut used) = (bare.clone(), Vec::new());
        for (group, charges) in order.parts() {
            let before = own.charges.len();
            for charge in charges {
                let Kind::Bucket { rate, per_ns } = charge.rule.kind else { continue };
                if charge.shadow || self.mode(charge.limit) != OnStoreFailure::Share {
                    continue;
                }
                let (place, members) = ((group.scope, group.key.as_str()), self.outage.members);
                let within = self.known.part(place, charge, &self.outage, now).within;
                let kind = Kind::Bucket { rate, per_ns: per_ns.saturating_mul(members.live) };
                let cap = members.share(charge.rule.cap).max(within);
                let charge = Charge { rule: Rule { kind, cap }, ..*charge };
                if within < cap {
                    let id = self.known.name(place, charge.limit);
                    used.push(Order {
                        id,
                        groups: smallvec![Group { charges: 1, ..group.clone() }],
                        charges: smallvec![Charge { amount: cap - within, ..charge }],
                        expires: Time::MAX,
                        keep: true,
                        ..bare.clone()
                    });
                }
                own.charges.push(charge);
            }
            if own.charges.len() > before {
                let charges = (own.charges.len() - before) as u8;
                own.groups.push(Group { charges, ..group.clone() });
            }
        }
        Buckets { own, used }
    }
}

/// The buckets of an order, as this node has them for itself.
#[derive(Debug)]
pub(in crate::store::redis) struct Buckets<'a> {
    /// What is asked of them.
    pub(in crate::store::redis) own: Order<'a>,
    /// What is used of each when the outage begins, under an id that makes it be used once.
    pub(in crate::store::redis) used: Vec<Order<'a>>,
}

impl Terms<'_> {
    /// What the books answered to `asked`, as an answer to the order.
    pub(in crate::store::redis) fn answer(
        &self,
        order: &Order<'_>,
        decision: Decision,
    ) -> Decision {
        match decision {
            Decision::Admit(mut admission) => {
                self.narrow(&mut admission.standings);
                Decision::Admit(admission)
            }
            Decision::Refuse(mut refusal) => {
                self.narrow(&mut refusal.standings);
                let limit = refusal.limit;
                let charge = order.charges.iter().find(|charge| charge.limit == limit);
                // What this node's part has no room for, the whole may have.
                if refusal.retry == Retry::Never
                    && charge.is_some_and(|charge| charge.amount <= charge.rule.cap)
                {
                    refusal.retry = Retry::NotBefore(Time::ZERO);
                }
                Decision::Refuse(refusal)
            }
            Decision::Wait(waiting) => Decision::Wait(waiting),
        }
    }

    /// What is left of this node's part, where the books say what is left of the cap.
    pub(in crate::store::redis) fn narrow(&self, standings: &mut [Standing]) {
        for (standing, within) in standings.iter_mut().zip(&self.within) {
            if let Some(within) = within {
                let others = standing.cap.saturating_sub(*within);
                standing.remaining = standing.remaining.saturating_sub(others);
            }
        }
    }
}

/// A charge that an account has room for if its own use stays within so much.
fn within(charge: &Charge, within: u64) -> Charge {
    let Rule { kind, cap } = charge.rule;
    match kind {
        // This node's own buckets are asked instead.
        Kind::Bucket { .. } => Charge { amount: 0, ..*charge },
        Kind::Sessions { .. } => Charge { rule: Rule { kind, cap: within.min(cap) }, ..*charge },
        _ if charge.amount == 0 => *charge,
        _ => {
            let others = cap.saturating_sub(within);
            Charge { amount: charge.amount.saturating_add(others), ..*charge }
        }
    }
}

/// A charge that every account has room for.
const fn unbounded(charge: &Charge) -> Charge {
    let Rule { kind, .. } = charge.rule;
    if kind.is_slot() {
        Charge { rule: Rule { kind, cap: u64::MAX }, ..*charge }
    } else {
        Charge { amount: 0, ..*charge }
    }
}

const fn stricter(one: OnStoreFailure, other: OnStoreFailure) -> OnStoreFailure {
    use OnStoreFailure::{Closed, Open, Share};
    match (one, other) {
        (Closed, _) | (_, Closed) => Closed,
        (Share, _) | (_, Share) => Share,
        (Open, Open) => Open,
    }
}
