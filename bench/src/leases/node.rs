//! One node: its leases of the hot accounts, and who waits for more.

use tollgate_core::{
    Time,
    lease::{Ask, Grant, Heat, HeatSettings, Holding, Terms},
};

use super::accounts::ACCOUNTS;

/// What a decision takes of every hot account.
pub(super) const ASKED: u64 = 1;

/// Calls that one decision waits for at most.
const MOST_TRIES: u32 = 3;

/// All that a node asks in one call; nothing for accounts that need nothing.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) asks: [Option<Ask>; ACCOUNTS],
    pub(super) sent: Time,
    /// How many of those who wait it is for.
    waiting: usize,
}

pub(super) struct Node {
    holdings: [Holding; ACCOUNTS],
    heat: Heat,
    /// How often each of those who wait has been in a call.
    waiting: Vec<u32>,
    is_calling: bool,
    /// Whether it is of use to wait for what was not there last.
    waits: bool,
    /// What its clock gains in a second, in thousandths.
    clock: i64,
}

/// What became of those who waited.
#[derive(Default)]
pub(super) struct Answered {
    pub(super) admitted: u64,
    pub(super) refused: u64,
    pub(super) call: Option<Call>,
}

impl Node {
    pub(super) fn new(clock: i64) -> Self {
        Self {
            holdings: std::array::from_fn(|_| Holding::new(Time::ZERO)),
            heat: Heat::new(HeatSettings::default()),
            waiting: Vec::new(),
            is_calling: false,
            waits: true,
            clock,
        }
    }

    /// Whether a user is hot here.
    pub(super) fn is_hot(&mut self, user: u64, now: Time) -> bool {
        let now = self.sees(now);
        self.heat.asked(user, now)
    }

    /// Decides alone, if it can: whether it admits.
    pub(super) fn take(&mut self, now: Time) -> bool {
        let at = self.sees(now);
        let mut held = [None; ACCOUNTS];
        for nth in 0..ACCOUNTS {
            held[nth] = self.holdings[nth].take(ASKED, at);
            if held[nth].is_none() {
                self.waits = self.holdings[nth].wait_for(ASKED, at);
                for (holding, taken) in self.holdings.iter_mut().zip(held.into_iter().flatten()) {
                    holding.settle(taken, ASKED, 0, at);
                }
                return false;
            }
        }
        true
    }

    /// Whether it is of use that a request waits which found too little.
    pub(super) const fn waits(&self) -> bool {
        self.waits
    }

    /// Waits for more, and the call for it if none is on its way.
    pub(super) fn wait(&mut self, terms: &Terms, now: Time) -> Option<Call> {
        self.waiting.push(0);
        self.call(terms, now)
    }

    /// The call that is due, if one is and none is on its way.
    pub(super) fn call(&mut self, terms: &Terms, now: Time) -> Option<Call> {
        if self.is_calling {
            return None;
        }
        let sent = self.sees(now);
        let mut asks: [Option<Ask>; ACCOUNTS] = Default::default();
        for (ask, holding) in asks.iter_mut().zip(&mut self.holdings) {
            *ask = holding.plan(terms, sent);
        }
        self.is_calling = asks.iter().any(Option::is_some);
        self.is_calling.then(|| Call { asks, sent, waiting: self.waiting.len() })
    }

    pub(super) fn answer(
        &mut self,
        call: &Call,
        grants: &[Option<Grant>; ACCOUNTS],
        terms: &Terms,
        now: Time,
    ) -> Answered {
        self.is_calling = false;
        let at = self.sees(now);
        let mut may_find_more = true;
        for ((holding, ask), grant) in self.holdings.iter_mut().zip(&call.asks).zip(grants) {
            if let (Some(ask), Some(grant)) = (ask, grant) {
                holding.granted(ask, grant, terms, (call.sent, at));
                may_find_more &= holding.may_find_more(ask, grant);
            }
        }
        let mut answered = Answered::default();
        let waited: Vec<_> = self.waiting.drain(..call.waiting).collect();
        for tries in waited {
            if self.take(now) {
                answered.admitted += 1;
            } else if may_find_more && self.waits && tries + 1 < MOST_TRIES {
                self.waiting.push(tries + 1);
            } else {
                answered.refused += 1;
            }
        }
        if !self.waiting.is_empty() {
            answered.call = self.call(terms, now);
        }
        answered
    }

    /// What it holds of an account and does not use.
    pub(super) fn free(&self, nth: usize, now: Time) -> u64 {
        self.holdings[nth].free(self.sees(now))
    }

    fn sees(&self, now: Time) -> Time {
        let nanos = now.as_nanos() as i64;
        Time::from_nanos((nanos + nanos / 1_000 * self.clock / 1_000).unsigned_abs())
    }
}
