//! The waiting room before a limit, as the policy asks for it.

use std::{num::NonZeroU32, time::Duration};

use compact_str::CompactString;

use crate::{
    Attribute, Attributes,
    queue::{Overflow, Rules, Work},
};

/// The waiting room before a limit: each of its accounts has one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// How many wait, how long, and in which order. Before a limit on sessions its timeout is
    /// how long a ticket is kept.
    pub rules: Rules,
    /// The attribute that tells tenants apart, who are served fairly among each other.
    pub tenant: Attribute,
    /// The shares of the tiers named here; that of all others is one.
    pub weights: Vec<(CompactString, NonZeroU32)>,
    /// The status that a request is answered with when its time is up: 408 or 503.
    pub timeout_status: u16,
    /// How long a session is kept for a ticket whose turn it is, until its browser comes. It
    /// means nothing before other limits.
    pub claim: Duration,
    /// Whether one waits only where what others have reserved stands in the way, and not for
    /// the next period: what is spent does not come back.
    pub for_holds: bool,
}

/// How many wait for what a budget has reserved.
const HOLDERS: usize = 1_000;

/// How long each of them waits.
const HOLD_TIMEOUT: Duration = Duration::from_secs(30);

impl Queue {
    /// The waiting room that every budget has: who would be refused only because others have
    /// reserved more than they will use waits until they tell.
    pub fn for_holds() -> Self {
        let rules = Rules {
            size: HOLDERS,
            per_tenant: None,
            timeout: HOLD_TIMEOUT,
            overflow: Overflow::DropNewest,
            bypass: None,
            ageing: HOLD_TIMEOUT / 3,
        };
        Self {
            rules,
            tenant: Attribute::User,
            weights: Vec::new(),
            timeout_status: 408,
            claim: Duration::ZERO,
            for_holds: true,
        }
    }

    /// Who waits for how much: `cost` is in the unit of the limit. Requests that do not bear
    /// the tenant's attribute are one tenant together.
    pub fn work(&self, who: &Attributes, cost: u64) -> Work {
        let tenant = who.value(&self.tenant).unwrap_or_default().into();
        Work { tenant, weight: self.weight(who.value(&Attribute::Tier)), cost }
    }

    fn weight(&self, tier: Option<&str>) -> NonZeroU32 {
        let named = self.weights.iter().find(|(name, _)| Some(name.as_str()) == tier);
        named.map_or(NonZeroU32::MIN, |(_, weight)| *weight)
    }
}
