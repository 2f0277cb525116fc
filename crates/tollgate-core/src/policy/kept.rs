//! What critical work keeps of each limit in emergency mode.
//!
//! It is a limit of its own beside the one that it is kept of, and applies to whom it is granted
//! alone. So the minimum is there at once, however much was used before; what critical work uses
//! is charged to both, so that nothing passes its usual limit; and when the emergency is over
//! nothing has to be put back, since nothing but the grant has changed.

use std::time::Duration;

use super::{Limit, Measure, Policy};
use crate::{Attributes, Dialed, Grant, LimitId, Time, Unit, Warn};

impl Policy {
    /// What a caller is granted in emergency mode, until it is over, beside what it is granted
    /// anyway.
    pub fn kept(&self, who: &Attributes, until: Time) -> impl Iterator<Item = Grant> {
        self.limits().iter().filter_map(move |limit| {
            let amount = limit.kept_amount()?;
            let whole = limit.measure_for(who);
            let dialed = Some(Dialed { cap: whole.cap(), until, ends: true });
            Some(Grant { limit: limit.kept_id(), measure: whole.kept(amount), dialed })
        })
    }
}

impl Limit {
    /// How much critical work keeps of it in emergency mode, if that is less than all.
    pub fn kept_amount(&self) -> Option<u64> {
        self.keeps.filter(|_| self.refuses())
    }

    /// The share of it that critical work keeps in emergency mode.
    pub fn kept_share(&self) -> f64 {
        match (self.kept_amount(), self.measure.cap()) {
            (Some(amount), cap) if cap > 0 => amount.min(cap) as f64 / cap as f64,
            _ => 1.0,
        }
    }

    /// The limit on what critical work uses of this one in emergency mode.
    pub(super) fn kept(&self) -> Option<Self> {
        let amount = self.kept_amount()?;
        let measure = self.measure.kept(amount);
        let own = Self::new(&self.kept_name(), &self.per, self.unit, measure);
        let (when, queue) = (self.when.clone(), self.queue.clone());
        let (retry_after, status) = (self.retry_after, self.status);
        let (sync, on_store_failure) = (self.sync, self.on_store_failure);
        let own = Self { sync, on_store_failure, ..own };
        Some(Self { when, queue, retry_after, status, warn: Warn::NEVER, keeps: None, ..own })
    }

    fn kept_id(&self) -> LimitId {
        LimitId::new(&self.kept_name(), &self.per)
    }

    /// No limit of a policy has such a name.
    fn kept_name(&self) -> String {
        format!("{} (emergency)", self.name)
    }
}

impl Measure {
    /// So much in the place of what it allows, counted alike: a bucket is refilled with it in the
    /// time in which it would be refilled whole.
    fn kept(&self, amount: u64) -> Self {
        let least = amount.min(self.cap());
        match self {
            Self::Bucket { rate, per, burst } => {
                let whole = per.as_nanos() * u128::from(*burst) / u128::from((*rate).max(1));
                let per = Duration::from_nanos(u64::try_from(whole).unwrap_or(u64::MAX).max(1));
                Self::Bucket { rate: least.max(1), per, burst: least }
            }
            Self::Window { length, .. } => Self::Window { length: *length, cap: least },
            Self::Period { calendar, .. } => {
                Self::Period { calendar: calendar.clone(), cap: least }
            }
            Self::Concurrency { .. } => Self::Concurrency { cap: least },
            Self::Sessions { idle, .. } => Self::Sessions { cap: least, idle: *idle },
        }
    }
}

/// What critical work keeps of a limit if nobody says: one request or one slot. One token or a
/// fraction of a cent lets nothing pass, so of sizes it keeps all; and sessions that live go on.
pub(super) fn by_default(unit: Unit, measure: &Measure) -> Option<u64> {
    let is_one_by_one = unit == Unit::Requests && !matches!(measure, Measure::Sessions { .. });
    is_one_by_one.then(|| measure.least())
}
