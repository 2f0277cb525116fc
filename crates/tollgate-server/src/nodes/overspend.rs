//! How far limits may be passed at worst when Redis fails, as operators are told.

use serde::Serialize;
use tollgate::{AnyStore, store::redis::AccountBound};
use tollgate_core::{Amounts, Policy, Unit};

use crate::{api::Quantity, app::App};

/// What may be spent beyond the limits at worst, by this node; for all nodes it is the sum.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OverspendShown {
    /// What Redis granted to this node and no replica is known to have: a failover may let pass
    /// so much of an account once more.
    unacknowledged: AmountsShown,
    /// What one account of each limit may be given beyond it while Redis is away.
    while_away: Vec<BoundShown>,
}

/// Amounts of all units.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct AmountsShown {
    requests: u64,
    tokens: u64,
    usd: Quantity,
}

/// The bound of one limit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct BoundShown {
    /// As the policy names it.
    limit: String,
    /// What it counts.
    unit: &'static str,
    /// The most beyond it; null where there is no bound, since everything passes.
    at_most: Option<Quantity>,
}

impl OverspendShown {
    /// Of the store of a gateway, where other nodes share it.
    pub(crate) fn of(app: &App) -> Option<Self> {
        let AnyStore::Redis(node) = app.gate.store() else { return None };
        let (overspend, live) = (node.overspend(), app.live());
        let bounds = overspend.away.iter();
        Some(Self {
            unacknowledged: AmountsShown::new(&overspend.unacknowledged),
            while_away: bounds.filter_map(|bound| BoundShown::new(bound, &live.policy)).collect(),
        })
    }
}

impl AmountsShown {
    fn new(amounts: &Amounts) -> Self {
        Self {
            requests: amounts.requests,
            tokens: amounts.of(Unit::Tokens),
            usd: Quantity::new(Unit::Usd, amounts.cost.0),
        }
    }
}

impl BoundShown {
    fn new(bound: &AccountBound, policy: &Policy) -> Option<Self> {
        let limit = policy.limit(bound.limit)?;
        Some(Self {
            limit: limit.name.to_string(),
            unit: limit.unit.name(),
            at_most: bound.at_most.map(|most| Quantity::new(limit.unit, most)),
        })
    }
}
