//! One history, told to a store and to the model.

use std::time::Duration;

use tollgate::{
    Memory, Receipt, StoreError,
    core::{Amounts, Decision, Demand, NanoUsd, Now, Policy, ReservationId, Retry, Standing, Time},
    store::memory::Journal,
};

use super::{
    model::{Account, Counted, Granted, Model, account},
    steps::{Step, TENANTS, Tree},
};

/// How long what has expired may still be settled.
const LATE: Duration = Duration::from_secs(24 * 3_600);

/// A Saturday evening in UTC, the last of a month, hours before New York sets its clocks back.
const BEGAN: Time = Time::from_millis(1_793_480_400_000);

pub(crate) struct Play<'a, J> {
    store: &'a Memory<J>,
    tree: &'a Tree,
    policy: Policy,
    pub(crate) model: Model,
    now: Now,
    /// What has not ended, the expired with it.
    open: Vec<Granted>,
    /// What has, with its receipt where it is kept.
    ended: Vec<(ReservationId, Option<Receipt>)>,
    next_id: u128,
    touched: Vec<Account>,
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
}

const fn amounts(amount: u64) -> Demand {
    let zero =
        Amounts { requests: 0, input_tokens: 0, output_tokens: 0, cost: NanoUsd(0), millis: 0 };
    Amounts { output_tokens: amount / 2, cost: NanoUsd(amount), ..zero }
}

impl<'a, J: Journal> Play<'a, J> {
    pub(crate) fn new(store: &'a Memory<J>, tree: &'a Tree) -> Self {
        Self {
            store,
            tree,
            policy: tree.policy(),
            model: Model::new(tree.policy()),
            now: Now::at(BEGAN),
            open: Vec::new(),
            ended: Vec::new(),
            next_id: 0,
            touched: Vec::new(),
            admitted: 0,
            refused: 0,
        }
    }

    /// The accounts that the last step was about.
    pub(crate) fn touched(&self) -> &[Account] {
        &self.touched
    }

    pub(crate) fn step(&mut self, step: &Step) {
        let tenant = match *step {
            Step::Reserve { tenant, .. } => tenant,
            Step::Extend { which, .. } | Step::Settle { which, .. } => which % TENANTS,
            _ => self.next_id as usize % TENANTS,
        };
        match *step {
            Step::Reserve { tenant, amount, hold_seconds, keep, lag_nanos } => {
                let lag = Duration::from_nanos(lag_nanos);
                self.reserve(tenant, amount, Duration::from_secs(hold_seconds), keep, lag);
            }
            Step::Extend { which, amount } => self.extend(which, &amounts(amount)),
            Step::Settle { which, percent } => self.end(which, Some(percent)),
            Step::Void { which } => self.end(which, None),
            Step::Renew { which, seconds } => self.renew(which, Duration::from_secs(seconds)),
            Step::Again { which } => self.again(which),
            Step::Expire => {
                self.store.expire_now(self.now);
                self.expire(self.now);
            }
            Step::Wait { nanos } => self.wait(Duration::from_nanos(nanos)),
            Step::ToEnd { which, before, after } => {
                let Some(end) = self.model.some_end(which) else { return };
                let end = (end + u64::from(after)).saturating_sub(u64::from(before));
                self.wait(Time::from_nanos(end).since(self.now.wall));
            }
        }
        self.compare(tenant);
    }

    fn wait(&mut self, by: Duration) {
        self.now = Now { time: self.now.time.after(by), wall: self.now.wall.after(by) };
    }

    fn reserve(&mut self, tenant: usize, amount: u64, hold: Duration, keep: bool, lag: Duration) {
        let now = Now { time: self.now.time.before(lag), wall: self.now.wall.before(lag) };
        let who = self.tree.tenant(tenant);
        self.next_id += 1;
        let id = ReservationId(self.next_id);
        let demand = Amounts { requests: 1, ..amounts(amount) };
        let mut order = self.policy.order(id, &who, &demand, now, now.time.after(hold));
        order.keep = keep;
        // What has expired is counted before anything new is.
        self.expire(now);
        let accounts: Vec<_> = order
            .parts()
            .flat_map(|(group, charges)| charges.iter().map(|c| (account(group, c), *c)))
            .collect();
        let expected = self.model.obstacle(accounts.iter().map(|(a, c)| (a, c)), now);
        let decided = self.store.reserve_now(&order, now).expect("memory answers");
        self.agree(&decided, expected);
        if expected.is_none() {
            let granted = self.model.admit(&order);
            self.open.push(granted);
        }
    }

    fn extend(&mut self, which: usize, more: &Amounts) {
        if self.open.is_empty() {
            return;
        }
        let which = which % self.open.len();
        let granted = &mut self.open[which];
        let decided = self.store.extend_now(granted.id, more, self.now);
        if granted.has_expired {
            assert_eq!(decided, Err(StoreError::Ended { id: granted.id.0 }));
            return;
        }
        let added = Model::addition(granted, more);
        let expected = self.model.obstacle(added.iter().map(|(a, c)| (a, c)), self.now);
        if expected.is_none() {
            self.model.extend(granted, more);
        }
        self.agree(&decided.expect("it is live"), expected);
    }

    /// A decision is the model's. Where holds stand in the way of what never begins anew, no
    /// instant is promised; whose clock shows a period that is over is told to come now.
    fn agree(&mut self, decided: &Decision, expected: Option<(tollgate::core::LimitId, Retry)>) {
        match (decided, expected) {
            (Decision::Admit(_), None) => self.admitted += 1,
            (Decision::Refuse(refusal), Some((limit, retry))) => {
                self.refused += 1;
                assert_eq!(refusal.limit, limit, "{refusal:?} for {expected:?}");
                match (refusal.retry, retry) {
                    (Retry::NotBefore(_), Retry::NotBefore(_)) => {}
                    (Retry::At(at), Retry::At(end)) if end <= self.now.time => {
                        assert!(end <= at && at <= self.now.time, "{at:?} for {end:?}");
                    }
                    (told, expected) => assert_eq!(told, expected),
                }
            }
            _ => panic!("{decided:?}, where the model says {expected:?}"),
        }
    }

    fn end(&mut self, which: usize, percent: Option<u64>) {
        if self.open.is_empty() {
            return;
        }
        let granted = self.open.swap_remove(which % self.open.len());
        let Amounts { cost, output_tokens, .. } = granted.demand;
        let part = |whole: u64| whole * percent.unwrap_or_default() / 100;
        let usage = Amounts {
            requests: granted.demand.requests,
            output_tokens: part(output_tokens),
            cost: NanoUsd(part(cost.0)),
            ..Amounts::default()
        };
        let usage = percent.map(|_| usage);
        let ended = match &usage {
            Some(usage) => self.store.settle_now(granted.id, usage, self.now),
            None => self.store.void_now(granted.id, self.now),
        };
        let usage_or_none = usage.unwrap_or_default();
        let overrun = usage_or_none.beyond(&granted.demand);
        let receipt = Receipt { usage: usage_or_none, overrun };
        assert_eq!(ended, Ok(receipt));
        self.model.end(&granted, usage.as_ref());
        self.ended.push((granted.id, granted.keep.then_some(receipt)));
    }

    fn renew(&mut self, which: usize, by: Duration) {
        if self.open.is_empty() {
            return;
        }
        let which = which % self.open.len();
        let granted = &mut self.open[which];
        let expires = self.now.time.after(by);
        let renewed = self.store.renew_now(granted.id, expires);
        assert_eq!(renewed.is_ok(), !granted.has_expired, "{renewed:?}");
        if !granted.has_expired {
            granted.expires = expires;
        }
    }

    /// Settling again what has ended changes nothing and answers the same.
    fn again(&self, which: usize) {
        if self.ended.is_empty() {
            return;
        }
        let (id, receipt) = self.ended[which % self.ended.len()];
        let again = self.store.settle_now(id, &amounts(1_000), self.now);
        assert_eq!(again, receipt.ok_or(StoreError::Unknown { id: id.0 }));
    }

    /// What the store does with what is over its time, and with what is for good.
    fn expire(&mut self, now: Now) {
        let ended = &mut self.ended;
        let model = &mut self.model;
        self.open.retain_mut(|granted| {
            if granted.expires > now.time {
                return true;
            }
            if granted.has_expired {
                ended.push((granted.id, None));
                return false;
            }
            model.expire(granted);
            granted.expires = now.time.after(LATE);
            true
        });
    }

    /// Every account on a tenant's way stands where the model has it, and is not over.
    fn compare(&mut self, tenant: usize) {
        let who = self.tree.tenant(tenant);
        let (id, now) = (ReservationId(0), self.now);
        let order = self.policy.order(id, &who, &amounts(0), now, now.time);
        let standings = self.store.standings_now(&order, now);
        let charges = order.parts().flat_map(|(g, charges)| charges.iter().map(move |c| (g, c)));
        self.touched.clear();
        for ((group, charge), standing) in charges.zip(standings) {
            let account = account(group, charge);
            let Counted { spent, held, overrun } = self.model.counted(&account, charge);
            let cap = charge.rule.cap;
            assert!(spent + held <= cap + overrun, "over the limit: {account:?}");
            let Standing { remaining, held: told, .. } = standing;
            let expected = (cap.saturating_sub(spent + held), held);
            assert_eq!((remaining, told), expected, "{account:?} at {now:?}");
            self.touched.push(account);
        }
    }
}
