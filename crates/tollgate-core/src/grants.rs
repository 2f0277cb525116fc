//! What a caller is granted instead of what the policy allows everybody.

use std::sync::Arc;

use crate::{LimitId, Time, policy::Measure};

/// Measures of single limits that hold for one caller alone. Nearly everybody has none, and
/// that costs one look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Option<Arc<[Grant]>>);

/// What one limit allows one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The limit.
    pub limit: LimitId,
    /// How much it allows, counted as the limit itself counts.
    pub measure: Measure,
    /// Where that is less for a while than it would be.
    pub dialed: Option<Dialed>,
}

/// A limit that is dialed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialed {
    /// The most that it allows when it is not.
    pub cap: u64,
    /// When its dial is looked at next: it may allow more then.
    pub until: Time,
    /// Whether it surely allows as much as else from then on.
    pub ends: bool,
}

/// The most grants that one caller has; further ones are dropped.
pub const MAX_GRANTS: usize = 256;

impl Grants {
    /// These grants; of several for one limit the first holds.
    pub fn new(mut grants: Vec<Grant>) -> Self {
        grants.truncate(MAX_GRANTS);
        Self((!grants.is_empty()).then(|| grants.into()))
    }

    /// Whether there are none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What a limit allows, where that was granted.
    pub fn of(&self, limit: LimitId) -> Option<&Measure> {
        self.grant(limit).map(|grant| &grant.measure)
    }

    /// How a limit is dialed down, where it is.
    pub fn dialed(&self, limit: LimitId) -> Option<Dialed> {
        self.grant(limit)?.dialed
    }

    fn grant(&self, limit: LimitId) -> Option<&Grant> {
        self.iter().find(|grant| grant.limit == limit)
    }

    /// Every grant.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter().flat_map(|grants| grants.iter())
    }
}
