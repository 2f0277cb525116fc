//! What a request asks of its accounts, as plain data that can travel to any store.

use std::time::Duration;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{Attribute, Attributes, Demand, Kind, LimitId, Retry, Rule, ScopeId, Time, Unit, Warn};

/// Names a reservation; chosen by the caller, so that an answer lost in a crash can be
/// asked for again.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ReservationId(pub u128);

/// An amount asked of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// The account's limit.
    pub limit: LimitId,
    /// How the limit counts, and the most it allows this request.
    pub rule: Rule,
    /// What it counts.
    pub unit: Unit,
    /// How much of it is asked.
    pub amount: u64,
    /// Counts and reports, but never refuses.
    pub shadow: bool,
    /// When its account warns.
    pub warn: Warn,
}

/// The charges on all accounts that share their `per` values: one look-up serves them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The `per` attributes.
    pub scope: ScopeId,
    /// Their values, joined; empty for the global scope.
    pub key: CompactString,
    /// How many of the order's charges are its own.
    pub charges: u8,
}

/// All that one request asks, to be granted whole or not at all.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The name of the reservation that it becomes.
    pub id: ReservationId,
    /// Where the charges go, from the narrowest scope to the global one.
    pub groups: SmallVec<[Group; 3]>,
    /// The charges, in the order of their groups.
    pub charges: SmallVec<[Charge; 8]>,
    /// Who asks, for the ledger.
    pub attributes: &'a Attributes,
    /// What is asked for in all.
    pub demand: Demand,
    /// When the reservation expires unless it is renewed.
    pub expires: Time,
    /// Whether the decision shall tell where each account stands.
    pub report: bool,
    /// Whether the id may be asked for again: its answer and its settlement are kept.
    pub keep: bool,
}

/// How long it takes at most until a rate that was forgotten is kept again.
const SOON: Duration = Duration::from_secs(3600);

impl Charge {
    /// How much of its unit a demand asks.
    #[inline]
    pub const fn asked(&self, demand: &Demand) -> u64 {
        if self.rule.kind.is_slot() { 1 } else { demand.of(self.unit) }
    }

    /// Whether a store may not forget it: money, what is counted by the calendar, and what
    /// takes more than an hour to come back. After a loss of anything else the limit is
    /// kept again before long.
    pub const fn must_be_remembered(&self) -> bool {
        let takes_long = match self.rule.kind {
            Kind::Period { .. } => true,
            Kind::Window { length_ns } => length_ns > SOON.as_nanos() as u64,
            Kind::Bucket { rate, per_ns } => {
                let refill = self.rule.cap as u128 * per_ns as u128;
                refill > rate as u128 * SOON.as_nanos()
            }
            Kind::Concurrency | Kind::Sessions { .. } => false,
        };
        !self.shadow && (takes_long || matches!(self.unit, Unit::Usd))
    }

    /// Whether it has room in an account that was never used.
    ///
    /// # Errors
    /// [`Retry::Never`], if it asks for more than the limit ever allows.
    pub const fn check_empty(&self) -> Result<(), Retry> {
        if self.amount > self.rule.cap { Err(Retry::Never) } else { Ok(()) }
    }
}

impl Order<'_> {
    /// The session that session limits count; all requests without one share a slot.
    pub fn session(&self) -> &str {
        self.attributes.value(&Attribute::Session).unwrap_or_default()
    }

    /// Whether a store that cannot write must refuse it.
    pub fn must_be_remembered(&self) -> bool {
        self.charges.iter().any(Charge::must_be_remembered)
    }

    /// What of it concerns sessions alone.
    #[must_use]
    pub fn of_sessions(&self) -> Self {
        self.only(|charge| matches!(charge.rule.kind, Kind::Sessions { .. }))
    }

    /// What of it is an amount of something, without slots: what somebody asks for who runs.
    #[must_use]
    pub fn of_amounts(&self) -> Self {
        self.only(|charge| !charge.rule.kind.is_slot() && charge.amount > 0)
    }

    fn only(&self, is_kept: impl Fn(&Charge) -> bool) -> Self {
        let (mut groups, mut charges) = (SmallVec::new(), SmallVec::new());
        for (group, own) in self.parts() {
            let before = charges.len();
            charges.extend(own.iter().filter(|charge| is_kept(charge)).copied());
            if charges.len() > before {
                let count = u8::try_from(charges.len() - before).unwrap_or(u8::MAX);
                groups.push(Group { charges: count, ..group.clone() });
            }
        }
        Self { groups, charges, ..self.clone() }
    }

    /// The groups, each with its charges.
    pub fn parts(&self) -> impl Iterator<Item = (&Group, &[Charge])> {
        let mut rest = self.charges.as_slice();
        self.groups.iter().map(move |group| {
            let (own, others) = rest.split_at(usize::from(group.charges));
            rest = others;
            (group, own)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(kind: Kind, cap: u64, unit: Unit) -> Charge {
        let limit = LimitId(1);
        Charge {
            limit,
            rule: Rule { kind, cap },
            unit,
            amount: 1,
            shadow: false,
            warn: Warn::NEVER,
        }
    }

    #[test]
    fn thresholds_make_no_charge_larger() {
        // Eight of them are copied with every order; what they warn of fits where nothing was.
        let without = size_of::<(LimitId, Rule, u64, Unit, bool)>();
        assert_eq!(size_of::<Charge>(), without);
    }

    #[test]
    fn budgets_are_remembered_and_rates_may_be_forgotten() {
        let hours = |hours: u64| hours * 3_600_000_000_000;
        let period = Kind::Period { start: 0, end: hours(1) };
        let bucket = |rate| Kind::Bucket { rate, per_ns: hours(1) };
        for (kind, unit, want) in [
            (Kind::Concurrency, Unit::Requests, false),
            (Kind::Concurrency, Unit::Usd, true),
            (Kind::Sessions { idle_ns: hours(9) }, Unit::Requests, false),
            (Kind::Window { length_ns: hours(1) }, Unit::Tokens, false),
            (Kind::Window { length_ns: hours(1) + 1 }, Unit::Tokens, true),
            (Kind::Window { length_ns: 1 }, Unit::Usd, true),
            (period, Unit::Requests, true),
            (bucket(10), Unit::Requests, false),
            (bucket(9), Unit::Requests, true),
        ] {
            let charge = charge(kind, 10, unit);
            assert_eq!(charge.must_be_remembered(), want, "{charge:?}");
            assert!(!Charge { shadow: true, ..charge }.must_be_remembered(), "{charge:?}");
        }
    }
}
