//! Where the cases ask: a store, a policy, and a clock that only the case moves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tollgate_core::{
    Amounts, Attribute, Attributes, Calendar, Decision, Demand, LimitId, NanoUsd, Order,
    PeriodUnit, Policy, Refusal, ReservationId, Time, Unit,
    policy::{Limit, Measure},
};

use crate::{Clock, Receipt, Store};

/// A store under a policy, with a clock that stands until it is moved.
#[derive(Debug)]
pub struct Booth<S> {
    /// The store.
    pub store: S,
    /// The policy.
    pub policy: Policy,
    /// The clock, which begins at [`NOON`].
    pub clock: Clock,
    next_id: AtomicU64,
}

/// Noon of some day in UTC, so that no story meets midnight by chance.
pub const NOON: Time = Time::from_millis(1_795_262_400_000);

/// How long reservations are held.
pub(super) const HOLD: Duration = Duration::from_secs(600);

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn requests(cap: u64, seconds: u64) -> Measure {
    Measure::Window { length: Duration::from_secs(seconds), cap }
}

pub(super) fn daily(cap: u64) -> Measure {
    Measure::Period {
        calendar: Arc::new(Calendar::new(PeriodUnit::Day, jiff::tz::TimeZone::UTC)),
        cap,
    }
}

pub(super) fn total(cap: u64) -> Measure {
    Measure::Period {
        calendar: Arc::new(Calendar::new(PeriodUnit::Total, jiff::tz::TimeZone::UTC)),
        cap,
    }
}

pub(super) fn limit(name: &str, per: &[Attribute], unit: Unit, measure: Measure) -> Limit {
    Limit::new(name, per, unit, measure)
}

pub(super) fn user(name: &str) -> Attributes {
    Attributes::new().with(Attribute::User, name)
}

/// One request that costs so many nano-dollars.
pub(super) fn costs(nanos: u64) -> Demand {
    Amounts { cost: NanoUsd(nanos), ..Amounts::ONE_REQUEST }
}

impl<S: Store> Booth<S> {
    /// A booth at noon.
    ///
    /// # Panics
    /// When two limits are the same.
    pub fn new(store: S, limits: Vec<Limit>) -> Self {
        let policy = answered(Policy::new(limits));
        Self { store, policy, clock: Clock::set_at(NOON), next_id: AtomicU64::new(1) }
    }

    /// Puts other limits in force.
    pub(super) fn replace(&mut self, limits: Vec<Limit>) {
        self.policy = answered(Policy::new(limits));
    }

    pub(super) fn id(&self) -> ReservationId {
        ReservationId(u128::from(self.next_id.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn order<'a>(
        &self,
        id: ReservationId,
        who: &'a Attributes,
        demand: &Demand,
    ) -> Order<'a> {
        let now = self.clock.now();
        let mut order = self.policy.order(id, who, demand, now, now.time.after(HOLD));
        order.keep = true;
        order
    }

    /// Asks under an id of its own.
    pub(super) async fn ask(&self, who: &Attributes, demand: &Demand) -> (ReservationId, Decision) {
        let id = self.id();
        let order = self.order(id, who, demand);
        (id, answered(self.store.reserve(&order, self.clock.now()).await))
    }

    /// Asks for what must be admitted.
    pub(super) async fn admit(&self, who: &Attributes, demand: &Demand) -> ReservationId {
        match self.ask(who, demand).await {
            (id, Decision::Admit(_)) => id,
            (_, other) => panic!("expected to be admitted, but the answer is {other:?}"),
        }
    }

    /// Asks for what must be refused.
    pub(super) async fn refuse(&self, who: &Attributes, demand: &Demand) -> Refusal {
        match self.ask(who, demand).await {
            (_, Decision::Refuse(refusal)) => refusal,
            (_, other) => panic!("expected to be refused, but the answer is {other:?}"),
        }
    }

    pub(super) async fn settle(&self, id: ReservationId, usage: &Amounts) -> Receipt {
        answered(self.store.settle(id, usage, self.clock.now()).await)
    }

    pub(super) async fn void(&self, id: ReservationId) -> Receipt {
        answered(self.store.void(id, self.clock.now()).await)
    }

    pub(super) async fn extend(&self, id: ReservationId, more: &Amounts) -> Decision {
        answered(self.store.extend(id, more, self.clock.now()).await)
    }

    pub(super) async fn expire(&self) -> usize {
        answered(self.store.expire(self.clock.now()).await)
    }

    /// What is left of each limit, in the order of the order's charges.
    pub(super) async fn remaining(&self, who: &Attributes) -> Vec<u64> {
        let order = self.order(ReservationId(0), who, &Amounts::ONE_REQUEST);
        let standings = answered(self.store.standings(&order, self.clock.now()).await);
        standings.iter().map(|standing| standing.remaining).collect()
    }

    pub(super) fn limit_named(&self, name: &str) -> LimitId {
        let named = self.policy.limits().iter().find(|limit| limit.name == name);
        named.map_or(LimitId(0), |limit| limit.id)
    }

    pub(super) fn wait(&self, duration: Duration) {
        self.clock.advance(duration);
    }
}

pub(super) fn answered<T, E: std::fmt::Display>(answer: Result<T, E>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(error) => panic!("expected an answer: {error}"),
    }
}
