//! One node: its leases of the hot accounts, and who waits for more.

use std::time::Duration;

use tollgate_core::{
    Rule, Time,
    lease::{Ask, Grant, Heat, HeatSettings, Holding, Taken, Terms},
};

use super::accounts::{ACCOUNTS, SLOTS};

/// What a decision takes of every hot account.
pub(super) const ASKED: u64 = 1;

/// Calls that one decision waits for at most.
const MOST_TRIES: u32 = 3;

/// A request, which runs for so long once it is admitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) runs: Duration,
}

pub(super) type Held = [Taken; ACCOUNTS];

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
    waiting: Vec<(Request, u32)>,
    is_calling: bool,
    /// Whether it is of use to wait for what was not there last.
    waits: bool,
    /// What its clock gains in a second, in thousandths.
    clock: i64,
}

/// What became of those who waited.
#[derive(Default)]
pub(super) struct Answered {
    pub(super) admitted: Vec<(Request, Held)>,
    pub(super) refused: u64,
    pub(super) call: Option<Call>,
}

impl Node {
    pub(super) fn new(rules: &[Rule; ACCOUNTS], clock: i64) -> Self {
        Self {
            holdings: rules.map(|rule| Holding::new(&rule, Time::ZERO)),
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

    /// Decides alone, if it can.
    pub(super) fn take(&mut self, now: Time) -> Option<Held> {
        let at = self.sees(now);
        let mut held = [None; ACCOUNTS];
        for nth in 0..ACCOUNTS {
            held[nth] = self.holdings[nth].take(ASKED, at);
            if held[nth].is_none() {
                self.waits = self.holdings[nth].wait_for(ASKED, at);
                for (holding, taken) in self.holdings.iter_mut().zip(held).take(nth) {
                    holding.settle(taken?, ASKED, 0, at);
                }
                return None;
            }
        }
        let [Some(a), Some(b), Some(c), Some(d)] = held else { return None };
        Some([a, b, c, d])
    }

    /// Whether it is of use that a request waits which found too little.
    pub(super) const fn waits(&self) -> bool {
        self.waits
    }

    /// Waits for more, and the call for it if none is on its way.
    pub(super) fn wait(&mut self, request: Request, terms: &Terms, now: Time) -> Option<Call> {
        self.waiting.push((request, 0));
        self.call(terms, now)
    }

    pub(super) fn end(&mut self, held: &Held, now: Time) {
        let at = self.sees(now);
        for (nth, (holding, taken)) in self.holdings.iter_mut().zip(held).enumerate() {
            holding.settle(*taken, ASKED, if nth == SLOTS { 0 } else { ASKED }, at);
        }
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
        for (request, tries) in waited {
            match self.take(now) {
                Some(held) => answered.admitted.push((request, held)),
                None if may_find_more && self.waits && tries + 1 < MOST_TRIES => {
                    self.waiting.push((request, tries + 1));
                }
                None => answered.refused += 1,
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
