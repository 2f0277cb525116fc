//! The hot accounts: their limits, what is leased of them, and what is truly used.

use std::time::Duration;

use tollgate_core::{
    Kind, Rule, Time,
    lease::{Account, Ask, Grant, Terms},
};

/// Hot accounts of every decision.
pub(super) const ACCOUNTS: usize = 3;

/// The one that is tight, by which refusals and unused room are told.
pub(super) const TIGHT: usize = 0;

const SECOND: u64 = 1_000_000_000;

/// Decided exactly: what is granted is used at once.
const EXACT: Terms = Terms { term: Duration::ZERO, least: Duration::ZERO, every: Duration::ZERO };

/// The limits for so many decisions in a second: a bucket that is too tight for them and holds half
/// a second of them, and two windows that are not.
pub(super) fn rules(per_second: u64, tight_percent: u64) -> [Rule; ACCOUNTS] {
    let tight = (per_second * tight_percent / 100).max(1);
    let window = |seconds| Kind::Window { length_ns: seconds * SECOND };
    [
        Rule { kind: Kind::Bucket { rate: tight, per_ns: SECOND }, cap: (tight / 2).max(65) },
        Rule { kind: window(60), cap: per_second * 120 },
        Rule { kind: window(3_600), cap: per_second * 3_600 },
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
pub(super) struct Exact(Account);

impl Shared {
    pub(super) fn new(rule: Rule) -> Self {
        let exact = || Exact(Account::new(&rule));
        Self { rule, leased: Account::new(&rule), truth: exact(), exact: exact() }
    }

    pub(super) fn ask(&mut self, nodes: u32, ask: &Ask, terms: &Terms, now: Time) -> Grant {
        self.leased.ask(&self.rule, nodes, ask, terms, now)
    }
}

impl Exact {
    pub(super) fn has_room(&self, rule: &Rule, amount: u64, now: Time) -> bool {
        self.0.room(rule, now) >= amount
    }

    pub(super) fn take(&mut self, rule: &Rule, amount: u64, now: Time) {
        let ask = Ask { need: amount, least: amount, want: amount, ..Ask::default() };
        self.0.ask(rule, 1, &ask, &EXACT, now);
    }
}
