//! The hot accounts: their limits, what is leased of them, and what is truly used.

use std::time::Duration;

use tollgate_core::{
    Kind, Now, Rule, Time,
    lease::{Account, Ask, Grant, Terms},
};

/// Hot accounts of every decision.
pub(super) const ACCOUNTS: usize = 4;

/// The one that is tight, by which refusals and unused room are told.
pub(super) const TIGHT: usize = 0;

/// The one that counts requests at once.
pub(super) const SLOTS: usize = 3;

/// How long a request runs on average.
pub(super) const RUNS: Duration = Duration::from_millis(200);

const SECOND: u64 = 1_000_000_000;

/// Decided exactly: what is granted is used at once.
const EXACT: Terms = Terms {
    term: Duration::ZERO,
    least: Duration::ZERO,
    every: Duration::ZERO,
    linger: Duration::from_secs(3_600),
};

/// The limits for so many decisions in a second: a bucket that is too tight for them and holds half
/// a second of them, a window,
/// a budget and slots that are not.
pub(super) fn rules(per_second: u64, tight_percent: u64) -> [Rule; ACCOUNTS] {
    let tight = (per_second * tight_percent / 100).max(1);
    let at_once = per_second * RUNS.as_millis() as u64 / 1_000;
    [
        Rule { kind: Kind::Bucket { rate: tight, per_ns: SECOND }, cap: (tight / 2).max(65) },
        Rule { kind: Kind::Window { length_ns: 60 * SECOND }, cap: per_second * 120 },
        Rule { kind: Kind::TOTAL, cap: per_second * 3_600 },
        Rule { kind: Kind::Concurrency, cap: (2 * at_once).max(65) },
    ]
}

/// One account at the store, beside an exact one of what was truly used, and one of what would
/// have been if all was decided exactly.
pub(super) struct Shared {
    pub(super) rule: Rule,
    leased: Account,
    pub(super) truth: Exact,
    pub(super) exact: Exact,
}

/// An account that counts what is used when it is used.
pub(super) enum Exact {
    Counted(Account),
    Sum(u64),
}

impl Shared {
    pub(super) fn new(rule: Rule) -> Self {
        let (truth, exact) = (Exact::new(&rule), Exact::new(&rule));
        Self { rule, leased: Account::new(&rule), truth, exact }
    }

    pub(super) fn ask(&mut self, by: (u64, u32), ask: &Ask, terms: &Terms, now: Time) -> Grant {
        self.leased.ask(&self.rule, by, ask, terms, Now::at(now))
    }
}

impl Exact {
    fn new(rule: &Rule) -> Self {
        match rule.kind {
            Kind::Bucket { .. } | Kind::Window { .. } => Self::Counted(Account::new(rule)),
            _ => Self::Sum(0),
        }
    }

    pub(super) fn has_room(&self, rule: &Rule, amount: u64, now: Time) -> bool {
        match self {
            Self::Counted(account) => account.room(rule, Now::at(now)) >= amount,
            Self::Sum(used) => used + amount <= rule.cap,
        }
    }

    pub(super) fn take(&mut self, rule: &Rule, amount: u64, now: Time) {
        match self {
            Self::Counted(account) => {
                let ask = Ask { need: amount, least: amount, want: amount, ..Ask::default() };
                account.ask(rule, (0, 1), &ask, &EXACT, Now::at(now));
            }
            Self::Sum(used) => *used += amount,
        }
    }

    /// Gives back a slot.
    pub(super) const fn end(&mut self, amount: u64) {
        if let Self::Sum(used) = self {
            *used -= amount;
        }
    }
}
