//! A waiting room as a list: every question is answered by looking at everything. It never
//! forgets a tenant while the room is in use.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use tollgate_core::{
    Time,
    queue::{Bound, Overflow, Priority, Rules},
};

pub(crate) type Tenant = u8;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiter {
    pub(crate) id: u64,
    pub(crate) tenant: Tenant,
    pub(crate) priority: Priority,
    pub(crate) cost: u64,
    pub(crate) entered: Time,
    pub(crate) deadline: Time,
    pub(crate) placed: bool,
    pub(crate) aside: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Placed,
    Displaced(u64),
    Blocked,
    Full(Bound, usize),
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) rules: Rules,
    pub(crate) waiters: Vec<Waiter>,
    counters: BTreeMap<Tenant, u128>,
    virtual_time: u128,
    served: BTreeMap<Priority, Time>,
    running: usize,
}

/// What was charged, and among which weight.
#[derive(Debug)]
pub(crate) struct Charged {
    tenant: Tenant,
    cost: u64,
    among: u128,
}

pub(crate) fn weight(tenant: Tenant) -> NonZeroU32 {
    NonZeroU32::new(u32::from(tenant) % 3 + 1).expect("at least one")
}

const ONE: u128 = 1 << 32;

fn per(cost: u64, weight: u128) -> u128 {
    u128::from(cost.max(1)) * ONE / weight
}

impl Model {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            waiters: vec![],
            counters: BTreeMap::new(),
            virtual_time: 0,
            served: BTreeMap::new(),
            running: 0,
        }
    }

    pub(crate) fn placed(&self) -> impl Iterator<Item = &Waiter> {
        self.waiters.iter().filter(|waiter| waiter.placed)
    }

    /// Those with a place that do not stand aside.
    fn competing(&self) -> impl Iterator<Item = &Waiter> {
        self.placed().filter(|waiter| !waiter.aside)
    }

    fn competes(&self, tenant: Tenant) -> bool {
        self.competing().any(|waiter| waiter.tenant == tenant)
    }

    /// Somebody stands aside from now on, or competes again.
    pub(crate) fn put(&mut self, id: u64, aside: bool) {
        let waiter = *self.waiters.iter().find(|waiter| waiter.id == id).expect("it waits");
        if waiter.aside != aside && waiter.placed && !aside {
            self.lift(waiter.tenant);
        }
        self.waiters.iter_mut().filter(|w| w.id == id).for_each(|w| w.aside = aside);
    }

    pub(crate) fn placed_of(&self, tenant: Tenant) -> usize {
        self.placed().filter(|waiter| waiter.tenant == tenant).count()
    }

    pub(crate) fn enter(&mut self, waiter: Waiter) -> Outcome {
        let tenant = waiter.tenant;
        let crowded = self.rules.per_tenant.is_some_and(|most| self.placed_of(tenant) >= most);
        let full = self.placed().count() >= self.rules.size;
        let (bound, size) = match self.rules.per_tenant {
            Some(most) if crowded => (Bound::Tenant, most),
            _ => (Bound::Room, self.rules.size),
        };
        let outcome = match self.rules.overflow {
            _ if !crowded && !full => Outcome::Placed,
            Overflow::Block if size > 0 => Outcome::Blocked,
            Overflow::DropOldest => {
                let now = waiter.entered;
                let level = |w: &Waiter| self.level(w.priority, now);
                let victim = self
                    .placed()
                    .filter(|other| !crowded || other.tenant == tenant)
                    .min_by_key(|other| (-level(other), other.id));
                match victim {
                    Some(other) if level(other) >= level(&waiter) => Outcome::Displaced(other.id),
                    _ => Outcome::Full(bound, size),
                }
            }
            _ => Outcome::Full(bound, size),
        };
        match outcome {
            Outcome::Full(..) => {}
            Outcome::Blocked => self.waiters.push(Waiter { placed: false, ..waiter }),
            Outcome::Placed => self.seat(waiter),
            Outcome::Displaced(other) => {
                self.seat(waiter);
                self.remove(other);
            }
        }
        outcome
    }

    fn seat(&mut self, waiter: Waiter) {
        if !waiter.aside {
            self.lift(waiter.tenant);
        }
        self.waiters.retain(|other| other.id != waiter.id);
        self.waiters.push(Waiter { placed: true, ..waiter });
        self.waiters.sort_by_key(|waiter| waiter.id);
    }

    fn lift(&mut self, tenant: Tenant) {
        let least = self.competing().map(|waiter| self.counters[&waiter.tenant]).min();
        self.virtual_time = self.virtual_time.max(least.unwrap_or(0));
        if !self.competes(tenant) {
            let counter = self.counters.entry(tenant).or_default();
            *counter = self.virtual_time.max(*counter);
        }
    }

    /// The lines in order of service, each from its first waiter on.
    fn lines(&self, now: Time) -> Vec<Vec<&Waiter>> {
        let keys: BTreeSet<_> = self.competing().map(|w| (w.tenant, w.priority)).collect();
        let line = |(tenant, priority): (Tenant, Priority)| -> Vec<&Waiter> {
            self.competing().filter(|w| w.tenant == tenant && w.priority == priority).collect()
        };
        let mut lines: Vec<_> = keys.into_iter().map(line).collect();
        lines.sort_by_key(|line| {
            let first = line[0];
            (self.level(first.priority, now), self.counters[&first.tenant], first.id)
        });
        lines
    }

    pub(crate) fn candidates(&self, now: Time) -> Vec<u64> {
        let lines = self.lines(now);
        let alive = |line: &Vec<&Waiter>| {
            line.iter().find(|waiter| waiter.deadline > now).map(|waiter| waiter.id)
        };
        lines.iter().filter_map(alive).collect()
    }

    /// All that have a place in order of service, if they were all started now.
    pub(crate) fn order(&self, now: Time) -> Vec<u64> {
        let mut play = self.clone();
        play.waiters.retain(|waiter| waiter.placed && !waiter.aside);
        let mut order = vec![];
        while let Some(first) = play.lines(now).first().map(|line| line[0].id) {
            // The work goes on, so that the room does not count as empty in between.
            play.start(first, now);
            order.push(first);
        }
        order
    }

    fn level(&self, priority: Priority, now: Time) -> i128 {
        let level = i128::from(priority.level());
        if self.rules.bypass.is_some_and(|bypass| priority <= bypass) {
            return level - (1 << 100);
        }
        let oldest = self.competing().filter(|w| w.priority == priority).map(|w| w.entered).min();
        let Some(since) =
            oldest.max(self.served.get(&priority).copied().filter(|_| oldest.is_some()))
        else {
            return level;
        };
        if self.rules.ageing.is_zero() {
            return level;
        }
        level - (now.since(since).as_nanos() / self.rules.ageing.as_nanos()) as i128
    }

    pub(crate) fn start(&mut self, id: u64, now: Time) -> Charged {
        let waiter = *self.waiters.iter().find(|waiter| waiter.id == id).expect("it waits");
        let charged = self.charge(waiter.tenant, waiter.cost);
        self.served.insert(waiter.priority, now);
        self.remove(id);
        charged
    }

    /// Another room has started it.
    pub(crate) fn start_elsewhere(&mut self, id: u64) -> Charged {
        let waiter = *self.waiters.iter().find(|waiter| waiter.id == id).expect("it waits");
        let charged = self.pass(waiter.tenant, waiter.cost);
        self.remove(id);
        charged
    }

    pub(crate) fn pass(&mut self, tenant: Tenant, cost: u64) -> Charged {
        self.lift(tenant);
        self.charge(tenant, cost)
    }

    fn charge(&mut self, tenant: Tenant, cost: u64) -> Charged {
        let competing: BTreeSet<_> = self.competing().map(|w| w.tenant).chain([tenant]).collect();
        let among = competing.into_iter().map(|t| u128::from(weight(t).get())).sum();
        *self.counters.entry(tenant).or_default() += per(cost, weight(tenant).get().into());
        self.virtual_time += per(cost, among).max(1);
        self.running += 1;
        Charged { tenant, cost, among }
    }

    pub(crate) fn settle(&mut self, charged: &Charged, used: u64) {
        let Charged { tenant, cost, among } = *charged;
        let own = weight(tenant).get().into();
        let counter = self.counters.entry(tenant).or_default();
        *counter = *counter + per(used, own) - per(cost, own);
        self.virtual_time = self.virtual_time + per(used, among).max(1) - per(cost, among).max(1);
        self.running -= 1;
        self.rest();
    }

    /// Removes a waiter and lets in whom there is a place for.
    pub(crate) fn remove(&mut self, id: u64) {
        self.waiters.retain(|waiter| waiter.id != id);
        self.let_in();
        self.rest();
    }

    pub(crate) fn let_in(&mut self) {
        while self.placed().count() < self.rules.size {
            let fits = |w: &&Waiter| {
                self.rules.per_tenant.is_none_or(|most| self.placed_of(w.tenant) < most)
            };
            let next = self.waiters.iter().filter(|w| !w.placed).find(fits).copied();
            let Some(next) = next else { return };
            self.seat(next);
        }
    }

    fn rest(&mut self) {
        if self.waiters.is_empty() && self.running == 0 {
            self.counters.clear();
            self.virtual_time = 0;
        }
    }
}
