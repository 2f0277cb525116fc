//! Amounts and limits as the API shows them.

use serde::Serialize;
use tollgate_core::{
    Now, Policy, Standing, Unit,
    policy::{Limit, Measure},
};

use super::Instant;

/// Where one limit stands.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct LimitShown {
    /// As the policy names it.
    name: String,
    /// What it counts: requests, tokens, dollars, seconds.
    unit: &'static str,
    /// The most it allows.
    limit: Quantity,
    /// What is left of it.
    remaining: Quantity,
    /// When more is left, if nothing else happens; null where it never is.
    reset_at: Option<Instant>,
}

/// An amount in the unit that people use: dollars, seconds, else whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum Quantity {
    Whole(u64),
    /// The nearest number to the exact decimal, which is the decimal for up to 15 digits.
    Decimal(f64),
}

impl LimitShown {
    /// All of them, without those whose limit the policy no longer has.
    pub(super) fn all(standings: &[Standing], policy: &Policy, now: Now) -> Vec<Self> {
        let known = |standing: &Standing| {
            policy.limit(standing.limit).map(|limit| Self::new(standing, limit, now))
        };
        standings.iter().filter_map(known).collect()
    }

    pub(crate) fn new(standing: &Standing, limit: &Limit, now: Now) -> Self {
        Self {
            name: limit.name.to_string(),
            unit: match limit.measure {
                Measure::Sessions { .. } => "sessions",
                _ => limit.unit.name(),
            },
            limit: Quantity::new(limit.unit, standing.cap),
            remaining: Quantity::new(limit.unit, standing.remaining),
            reset_at: Instant::of_reset(standing, now),
        }
    }
}

impl Quantity {
    pub(crate) fn new(unit: Unit, amount: u64) -> Self {
        match unit {
            Unit::Usd => Self::Decimal(amount as f64 / 1e9),
            Unit::Seconds => Self::Decimal(amount as f64 / 1e3),
            _ => Self::Whole(amount),
        }
    }
}
