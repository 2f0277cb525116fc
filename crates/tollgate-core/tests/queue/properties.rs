//! The room does what the model does, step by step, and loses nobody.

use std::{collections::BTreeSet, time::Duration};

use proptest::{collection::vec, prelude::*, sample::Index};
use tollgate_core::{
    Time,
    queue::{Arrival, Bill, Departed, Entry, Overflow, Priority, Room, Rules, Work},
};

use crate::{
    model::{Charged, Model, Outcome, Tenant, Waiter, weight},
    support::at,
};

#[derive(Debug, Clone)]
enum Step {
    Enter {
        tenant: Tenant,
        priority: u8,
        cost: u64,
        patience_ms: u64,
        aside: bool,
    },
    Pass {
        tenant: Tenant,
        cost: u64,
    },
    /// Starts a candidate, mostly the first; those before it are passed over.
    Start {
        which: Index,
        first: bool,
    },
    Elsewhere {
        which: Index,
    },
    Put {
        which: Index,
        aside: bool,
    },
    Settle {
        which: Index,
        used: u64,
    },
    Leave {
        which: Index,
    },
    Wait {
        ms: u64,
    },
    Expire,
    Revise {
        size: usize,
        per_tenant: Option<usize>,
        overflow: Overflow,
    },
}

fn overflows() -> impl Strategy<Value = Overflow> {
    prop_oneof![Just(Overflow::DropNewest), Just(Overflow::DropOldest), Just(Overflow::Block)]
}

fn rules() -> impl Strategy<Value = Rules> {
    let bypass = prop_oneof![3 => Just(None), 1 => (0_u8..3).prop_map(Priority::new)];
    let ageing = prop_oneof![1 => Just(0_u64), 5 => 1_u64..5_000];
    let per_tenant = proptest::option::of(0_usize..6);
    (0_usize..16, per_tenant, 100_u64..20_000, overflows(), bypass, ageing).prop_map(
        |(size, per_tenant, timeout_ms, overflow, bypass, ageing_ms)| Rules {
            size,
            per_tenant,
            timeout: Duration::from_millis(timeout_ms),
            overflow,
            bypass,
            ageing: Duration::from_millis(ageing_ms),
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (tenant, cost) = (0_u8..6, 0_u64..40);
    let step = prop_oneof![
        12 => (tenant.clone(), 0_u8..5, cost.clone(), 0_u64..30_000, prop::bool::weighted(0.2)).prop_map(
            |(tenant, priority, cost, patience_ms, aside)| Step::Enter { tenant, priority, cost, patience_ms, aside }),
        1 => (tenant, cost.clone()).prop_map(|(tenant, cost)| Step::Pass { tenant, cost }),
        6 => (any::<Index>(), prop::bool::weighted(0.8))
            .prop_map(|(which, first)| Step::Start { which, first }),
        5 => (any::<Index>(), cost).prop_map(|(which, used)| Step::Settle { which, used }),
        2 => any::<Index>().prop_map(|which| Step::Leave { which }),
        2 => any::<Index>().prop_map(|which| Step::Elsewhere { which }),
        4 => any::<(Index, bool)>().prop_map(|(which, aside)| Step::Put { which, aside }),
        6 => prop_oneof![0_u64..50, 0_u64..8_000].prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Expire),
        1 => (0_usize..16, proptest::option::of(0_usize..6), overflows()).prop_map(
            |(size, per_tenant, overflow)| Step::Revise { size, per_tenant, overflow }),
    ];
    vec(step, 1..150)
}

/// A room and its model, side by side.
struct Play {
    room: Room<Tenant>,
    model: Model,
    now: Time,
    next_id: u64,
    inside: BTreeSet<u64>,
    open: Vec<(Bill, Charged)>,
}

impl Play {
    fn new(rules: Rules) -> Self {
        let (room, model) = (Room::new(rules), Model::new(rules));
        let (inside, open) = (BTreeSet::new(), vec![]);
        Self { room, model, now: at(0), next_id: 0, inside, open }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Enter { tenant, priority, cost, patience_ms, aside } => {
                let priority = Priority::new(*priority).expect("one digit");
                let arrival = Arrival {
                    work: work(*tenant, *cost),
                    priority,
                    deadline: self.now.after(Duration::from_millis(*patience_ms)),
                    aside: *aside,
                    payload: *tenant,
                };
                self.enter(arrival);
            }
            Step::Elsewhere { which } if !self.inside.is_empty() => {
                let id = self.some(which);
                let started = self.room.start_elsewhere(id, self.now).expect("it is inside");
                self.open.push((started.bill, self.model.start_elsewhere(id)));
                assert!(self.inside.remove(&id), "{id} left twice");
            }
            Step::Put { which, aside } if !self.inside.is_empty() => {
                let id = self.some(which);
                if *aside {
                    self.room.step_aside(id);
                } else {
                    self.room.join(id);
                }
                self.model.put(id, *aside);
            }
            Step::Pass { tenant, cost } => {
                let bill = self.room.pass(&work(*tenant, *cost), self.now);
                self.open.push((bill, self.model.pass(*tenant, *cost)));
            }
            Step::Start { which, first } => self.start(which, *first),
            Step::Settle { which, used } if !self.open.is_empty() => {
                let (bill, charged) = self.open.swap_remove(which.index(self.open.len()));
                self.room.settled(bill, *used);
                self.model.settle(&charged, *used);
            }
            Step::Leave { which } if !self.inside.is_empty() => {
                let who = self.room.leave(self.some(which)).expect("it is inside");
                self.model.remove(who.id);
                self.gone(&who);
            }
            Step::Settle { .. }
            | Step::Leave { .. }
            | Step::Elsewhere { .. }
            | Step::Put { .. } => {}
            Step::Wait { ms } => self.now = self.now.after(Duration::from_millis(*ms)),
            Step::Expire => self.expire(),
            Step::Revise { size, per_tenant, overflow } => {
                let (size, per_tenant, overflow) = (*size, *per_tenant, *overflow);
                let rules = Rules { size, per_tenant, overflow, ..*self.room.rules() };
                self.room.revise(rules);
                self.model.rules = rules;
                self.model.let_in();
            }
        }
    }

    /// Somebody who is inside.
    fn some(&self, which: &Index) -> u64 {
        let ids: Vec<_> = self.inside.iter().copied().collect();
        *which.get(&ids)
    }

    fn enter(&mut self, arrival: Arrival<Tenant>) {
        let Arrival { work, priority, deadline, aside, payload: tenant } = arrival.clone();
        let cost = work.cost;
        let forecast = self.room.forecast(&work, priority, self.now);
        let before = (self.room.waiting(), self.room.waiting_of(&work.tenant));
        let entry = self.room.enter(arrival, self.now);
        if let Entry::TooLate { estimate } = entry {
            let known = (forecast.is_some() && !aside) || estimate.is_zero();
            let deadline = deadline.min(self.now.after(self.room.rules().timeout));
            let late = deadline <= self.now || self.now.after(estimate) > deadline;
            assert!(known && late, "refused without need: {estimate:?} until {deadline:?}");
            assert_eq!(before.0, self.room.waiting(), "nothing of it was kept");
            return;
        }
        let deadline = deadline.min(self.now.after(self.room.rules().timeout));
        let (id, entered) = (self.next_id, self.now);
        let placed = false;
        let waiter = Waiter { id, tenant, priority, cost, entered, deadline, placed, aside };
        let outcome = self.model.enter(waiter);
        let (came, matches) = match (&entry, &outcome) {
            (Entry::Placed { id }, Outcome::Placed) => (Some(*id), true),
            (Entry::Blocked { id }, Outcome::Blocked) => (Some(*id), true),
            (Entry::Displaced { id, who }, Outcome::Displaced(other)) => {
                self.gone(who);
                (Some(*id), who.id == *other)
            }
            (Entry::Full { bound, size }, Outcome::Full(b, s)) => (None, bound == b && size == s),
            _ => (None, false),
        };
        assert!(matches, "{entry:?}, and the model says {outcome:?}");
        if let Some(came) = came {
            assert_eq!(came, self.next_id, "ids count up");
            assert!(self.inside.insert(came));
            self.next_id += 1;
        }
        self.hold_to_bounds(before, tenant);
    }

    /// An arrival never brings a bound above what it says, or above what was there before.
    fn hold_to_bounds(&self, (room, own): (usize, usize), tenant: Tenant) {
        let rules = self.room.rules();
        assert!(self.room.waiting() <= rules.size.max(room));
        let placed = self.model.placed_of(tenant);
        assert!(rules.per_tenant.is_none_or(|most| placed <= most.max(own)));
    }

    fn start(&mut self, which: &Index, first: bool) {
        let candidates: Vec<_> = self.room.candidates(self.now).map(|who| who.id).collect();
        for id in self.inside.iter().filter(|id| !candidates.contains(id)).take(2) {
            assert!(self.room.start(*id, self.now).is_none(), "{id} is no candidate");
        }
        if candidates.is_empty() {
            return;
        }
        let id = if first { candidates[0] } else { *which.get(&candidates) };
        let entered = self.model.waiters.iter().find(|w| w.id == id).expect("it waits").entered;
        let started = self.room.start(id, self.now).expect("a candidate may start");
        assert_eq!(started.waited, self.now.since(entered));
        self.open.push((started.bill, self.model.start(id, self.now)));
        assert!(self.inside.remove(&id), "{id} left twice");
    }

    fn expire(&mut self) {
        while let Some(who) = self.room.expired(self.now) {
            let waiter = self.model.waiters.iter().find(|w| w.id == who.id).expect("it waits");
            assert!(waiter.deadline <= self.now, "{} had time left", who.id);
            assert_eq!(who.entered, waiter.entered);
            self.model.remove(who.id);
            self.gone(&who);
        }
        assert!(self.model.waiters.iter().all(|w| w.deadline > self.now), "one was forgotten");
    }

    fn gone(&mut self, who: &Departed<Tenant>) {
        assert!(self.inside.remove(&who.id), "{} left twice", who.id);
    }

    fn compare(&self) {
        let placed = self.model.placed().count();
        assert_eq!(self.room.waiting(), placed);
        assert_eq!(self.room.blocked(), self.model.waiters.len() - placed);
        assert_eq!(self.room.waiting() + self.room.blocked(), self.inside.len());
        let deadline = self.model.waiters.iter().map(|waiter| waiter.deadline).min();
        assert_eq!(self.room.next_deadline(), deadline);
        let candidates: Vec<_> = self.room.candidates(self.now).map(|who| who.id).collect();
        assert_eq!(candidates, self.model.candidates(self.now), "the order of service");
        assert_eq!(self.room.is_idle(), self.inside.is_empty() && self.open.is_empty());
    }

    fn compare_places(&self) {
        let order = self.model.order(self.now);
        let blocked = self.model.waiters.iter().filter(|waiter| !waiter.placed);
        let all = order.into_iter().chain(blocked.map(|waiter| waiter.id));
        for (nth, id) in all.enumerate() {
            assert_eq!(self.room.place(id, self.now), Some(nth + 1), "the place of {id}");
        }
    }

    /// Everybody leaves, and nothing is left behind.
    fn end(&mut self) {
        self.now = at(10_000_000);
        self.expire();
        assert!(self.inside.is_empty(), "nobody is lost: {:?}", self.inside);
        for (bill, charged) in self.open.drain(..) {
            self.room.settled(bill, 1);
            self.model.settle(&charged, 1);
        }
        assert!(self.room.is_idle());
        assert_eq!((self.room.tenants(), self.room.next_deadline()), (0, None));
    }
}

fn work(tenant: Tenant, cost: u64) -> Work {
    Work { tenant: format!("tenant-{tenant}").into(), weight: weight(tenant), cost }
}

proptest! {
    #[test]
    fn a_room_does_what_its_model_does_and_loses_nobody(rules in rules(), steps in steps()) {
        let mut play = Play::new(rules);
        for (nth, step) in steps.iter().enumerate() {
            play.step(step);
            play.compare();
            if nth % 8 == 0 {
                play.compare_places();
            }
        }
        play.compare_places();
        play.end();
    }
}
