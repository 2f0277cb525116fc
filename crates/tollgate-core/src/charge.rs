//! What a request asks of its accounts, as plain data that can travel to any store.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{Attribute, Attributes, Demand, Kind, LimitId, Retry, Rule, ScopeId, Time, Unit};

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

impl Charge {
    /// How much of its unit a demand asks.
    #[inline]
    pub const fn asked(&self, demand: &Demand) -> u64 {
        if self.rule.kind.is_slot() { 1 } else { demand.of(self.unit) }
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

    /// What of it concerns sessions alone.
    #[must_use]
    pub fn of_sessions(&self) -> Self {
        let (mut groups, mut charges) = (SmallVec::new(), SmallVec::new());
        for (group, own) in self.parts() {
            let is_session = |charge: &&Charge| matches!(charge.rule.kind, Kind::Sessions { .. });
            let before = charges.len();
            charges.extend(own.iter().filter(is_session).copied());
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
