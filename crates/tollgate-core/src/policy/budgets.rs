//! Budgets of single keys: limits of every policy that apply to the keys they are granted
//! to, and to nobody else.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::{Limit, Measure, Queue};
use crate::{Attribute, Calendar, Grant, LimitId, NanoUsd, PeriodUnit, Unit};

/// The budget of a key in each period of the calendar, in UTC, or in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyBudget {
    /// The limit's name, by which refusals tell it.
    pub name: &'static str,
    /// What it is written per: `day` in `5/day`.
    pub per: &'static str,
    /// The period.
    pub unit: PeriodUnit,
}

/// Every budget that a key may have.
pub const KEY_BUDGETS: [KeyBudget; 4] = [
    KeyBudget { name: "key-budget-day", per: "day", unit: PeriodUnit::Day },
    KeyBudget { name: "key-budget-week", per: "week", unit: PeriodUnit::Week },
    KeyBudget { name: "key-budget-month", per: "month", unit: PeriodUnit::Month },
    KeyBudget { name: "key-budget-total", per: "total", unit: PeriodUnit::Total },
];

impl KeyBudget {
    /// The budget and the amount that a text such as `5/day` names.
    ///
    /// # Errors
    /// A sentence that says how budgets are written.
    pub fn parse(text: &str) -> Result<(Self, NanoUsd), String> {
        let written = || {
            let every = KEY_BUDGETS.map(|budget| budget.per).join(", ");
            format!(
                "`{}` is no budget: write dollars per period, like 5/day; periods are {every}",
                super::values::excerpt(text)
            )
        };
        let (amount, per) = text.split_once('/').ok_or_else(written)?;
        let known = KEY_BUDGETS.into_iter().find(|budget| budget.per == per.trim());
        let amount: NanoUsd =
            amount.trim().trim_start_matches('$').parse().map_err(|_| written())?;
        if amount.0 > i64::MAX as u64 {
            return Err(format!("${amount} is more than can be counted"));
        }
        Ok((known.ok_or_else(written)?, amount))
    }

    /// So many dollars of this budget, for a caller's grants.
    pub fn grant(&self, amount: NanoUsd) -> Grant {
        Grant { limit: self.id(), measure: self.measure(amount.0), dialed: None }
    }

    pub(super) fn limit(&self) -> Limit {
        let queue = Some(Queue::for_holds());
        Limit { queue, ..Limit::new(self.name, &[Attribute::Key], Unit::Usd, self.measure(0)) }
    }

    fn id(&self) -> LimitId {
        LimitId::new(self.name, &[Attribute::Key])
    }

    fn measure(&self, cap: u64) -> Measure {
        let calendar = Arc::new(Calendar::new(self.unit, TimeZone::UTC));
        Measure::Period { calendar, cap }
    }
}
