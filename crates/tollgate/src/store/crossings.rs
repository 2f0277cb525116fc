//! Budgets that reached a threshold, until somebody asks for them.
//!
//! They are noted under the locks of the settlement that crossed the threshold, so each is
//! noted once; whoever takes them tells people.

use std::sync::atomic::{AtomicBool, Ordering};

use compact_str::CompactString;
use parking_lot::Mutex;
use tollgate_core::{Charge, Crossed, LimitId, Now};

/// A threshold of a budget that what is settled has reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// The budget.
    pub limit: LimitId,
    /// Whose account it is: the values of its `per`, joined.
    pub key: CompactString,
    /// The threshold, in percent of the cap.
    pub percent: u8,
    /// What is settled in the account, in the limit's unit.
    pub settled: u64,
    /// The cap that the charge was made under.
    pub cap: u64,
    /// When it was crossed.
    pub at: Now,
}

/// The crossings since they were asked for before.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Crossings {
    /// The oldest first.
    pub known: Vec<Crossing>,
    /// How many more there were than [`MAX_CROSSINGS`].
    pub lost: u64,
}

/// Crossings that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Noted {
    any: AtomicBool,
    waiting: Mutex<Crossings>,
}

/// Crossings that wait to be taken; more are only counted.
pub const MAX_CROSSINGS: usize = 4_096;

impl Noted {
    #[cold]
    pub(super) fn note(&self, charge: &Charge, crossed: Crossed, key: &CompactString, at: Now) {
        let mut waiting = self.waiting.lock();
        for percent in charge.warn.of(crossed) {
            if waiting.known.len() == MAX_CROSSINGS {
                waiting.lost += 1;
                continue;
            }
            waiting.known.push(Crossing {
                limit: charge.limit,
                key: key.clone(),
                percent,
                settled: crossed.settled,
                cap: charge.rule.cap,
                at,
            });
        }
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn take(&self) -> Crossings {
        if !self.any.swap(false, Ordering::Acquire) {
            return Crossings::default();
        }
        std::mem::take(&mut *self.waiting.lock())
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::{Ending, Kind, Rule, Time, Unit, Warn};

    use super::*;

    #[test]
    fn what_nobody_takes_is_bounded_and_counted() {
        let noted = Noted::default();
        let kind = Kind::TOTAL;
        let rule = Rule { kind, cap: 10 };
        let mut charge = Charge {
            limit: LimitId(1),
            rule,
            unit: Unit::Usd,
            amount: 10,
            shadow: false,
            warn: Warn::at([50, 100]),
        };
        let now = Now::at(Time::from_millis(1));
        for _ in 0..MAX_CROSSINGS / 2 + 3 {
            let mut cell = tollgate_core::Cell::default();
            cell.hold(0, &mut charge, "", now);
            let ending = Ending { held: 10, used: 10, at: now, expired: false };
            let crossed = cell.settle(0, &charge, &ending, now).expect("both are reached");
            noted.note(&charge, crossed, &"ann".into(), now);
        }
        let taken = noted.take();
        assert_eq!((taken.known.len(), taken.lost), (MAX_CROSSINGS, 6));
        assert_eq!(noted.take(), Crossings::default(), "each is told once");
    }
}
