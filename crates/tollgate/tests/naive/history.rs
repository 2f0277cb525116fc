//! A history of requests in virtual time, and a store that is held against the model through it.

use std::{sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*};
use tollgate::Store;
use tollgate_core::{
    Attribute, Attributes, Calendar, Decision, Kind, Now, Order, PeriodUnit, Policy, ReservationId,
    Standing, Time, Unit, Usage,
    policy::{Limit, Measure},
};

use super::model::{Model, Taken, demand};

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Ask {
        user: u8,
        team: u8,
        amount: u64,
    },
    Settle {
        which: usize,
        percent: u64,
    },
    Void {
        which: usize,
    },
    Wait {
        grains: u64,
    },
    /// The caller's clock lags behind what the store has seen.
    Lag {
        grains: u64,
    },
    SetWall {
        seconds: i64,
    },
}

/// What histories have to respect of a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ways {
    /// How finely it counts time, in nanoseconds: in a history for it every instant, and every
    /// sixtieth of a window, is a multiple of that.
    pub(crate) grain: u64,
    /// Whether it holds what is asked for part by part, and gives parts back where there is no
    /// room for all: a period that is not used may have begun by that.
    pub(crate) in_parts: bool,
}

impl Ways {
    fn grains(self, count: u64) -> Duration {
        Duration::from_nanos(count * self.grain)
    }
}

const SECOND: u64 = 1_000_000_000;

fn measures(ways: Ways) -> impl Strategy<Value = (Unit, Measure)> {
    let unit = prop_oneof![Just(Unit::Requests), Just(Unit::Tokens), Just(Unit::Usd)];
    let length = 1_u64..20 * SECOND / ways.grain;
    let sixtieth = if ways.grain == 1 { 1 } else { 60 };
    let window =
        (1..20 * SECOND / ways.grain / sixtieth).prop_map(move |n| ways.grains(n * sixtieth));
    let measure = prop_oneof![
        (1_u64..50, length, 1_u64..40).prop_map(move |(rate, per, burst)| Measure::Bucket {
            rate,
            per: ways.grains(per),
            burst
        }),
        (window, prop_oneof![1_u64..30, 60_u64..500])
            .prop_map(|(length, cap)| Measure::Window { length, cap }),
        (1_u64..200).prop_map(|cap| Measure::Period {
            calendar: Arc::new(Calendar::new(PeriodUnit::Day, jiff::tz::TimeZone::UTC)),
            cap
        }),
        (1_u64..6).prop_map(|cap| Measure::Concurrency { cap }),
    ];
    (unit, measure)
}

pub(crate) fn policies(ways: Ways) -> impl Strategy<Value = Policy> {
    let per = prop_oneof![
        Just(vec![]),
        Just(vec![Attribute::User]),
        Just(vec![Attribute::Team, Attribute::User]),
    ];
    vec((measures(ways), per), 1..6).prop_map(|limits| {
        let limits = limits.into_iter().enumerate().map(|(nth, ((unit, measure), per))| {
            let name = format!("limit-{nth}");
            let slots = matches!(measure, Measure::Concurrency { .. });
            let unit = if slots { Unit::Requests } else { unit };
            Limit::new(&name, &per, unit, measure)
        });
        Policy::new(limits.collect()).expect("names differ")
    })
}

pub(crate) fn steps(ways: Ways) -> impl Strategy<Value = Vec<Step>> {
    let up_to = move |nanos: u64| 0..(nanos / ways.grain).max(2);
    let wait = prop_oneof![0_u64..1_000, up_to(3 * SECOND), up_to(30 * SECOND)];
    let step = prop_oneof![
        6 => (0_u8..3, 0_u8..2, 0_u64..25).prop_map(|(user, team, amount)| Step::Ask { user, team, amount }),
        3 => (any::<usize>(), 0_u64..=100).prop_map(|(which, percent)| Step::Settle { which, percent }),
        1 => any::<usize>().prop_map(|which| Step::Void { which }),
        3 => wait.prop_map(|grains| Step::Wait { grains }),
        1 => up_to(2 * SECOND).prop_map(|grains| Step::Lag { grains }),
        1 => (-7_200_i64..90_000).prop_map(|seconds| Step::SetWall { seconds }),
    ];
    vec(step, 1..120)
}

/// A store's part in a history.
pub(crate) struct Play<'a, S> {
    store: &'a S,
    ways: Ways,
    policy: Policy,
    model: Model,
    now: Now,
    /// Live reservations, with the amount each asked for.
    live: Vec<(ReservationId, u64)>,
    next_id: u128,
}

impl<'a, S: Store> Play<'a, S> {
    pub(crate) fn new(store: &'a S, ways: Ways, policy: Policy) -> Self {
        let began = Time::from_millis(1_790_000_000_000);
        Self {
            store,
            ways,
            policy,
            model: Model::default(),
            now: Now::at(began),
            live: vec![],
            next_id: 0,
        }
    }

    pub(crate) async fn step(&mut self, step: &Step) {
        match step {
            Step::Ask { user, team, amount } => self.ask(*user, *team, *amount, 0).await,
            Step::Lag { grains } => self.ask(0, 0, 1, *grains).await,
            Step::Wait { grains } => {
                let by = self.ways.grains(*grains);
                self.now = Now { time: self.now.time.after(by), wall: self.now.wall.after(by) };
            }
            Step::SetWall { seconds } => {
                let by = Duration::from_secs(seconds.unsigned_abs());
                let wall = self.now.wall;
                self.now.wall = if *seconds < 0 { wall.before(by) } else { wall.after(by) };
            }
            Step::Settle { which, percent } => self.end(*which, Some(*percent)).await,
            Step::Void { which } => self.end(*which, None).await,
        }
    }

    /// Settles a live reservation with a part of what it asked for, or voids it.
    async fn end(&mut self, which: usize, percent: Option<u64>) {
        if self.live.is_empty() {
            return;
        }
        let (id, asked) = self.live.swap_remove(which % self.live.len());
        let usage: Usage = demand(asked * percent.unwrap_or_default() / 100);
        let ended = match percent {
            Some(_) => self.store.settle(id, &usage, self.now).await,
            None => self.store.void(id, self.now).await,
        };
        ended.expect("it is live");
        self.model.end(id, self.now, |unit, held| match (percent, unit) {
            (None, _) => 0,
            (Some(_), Unit::Requests) => held,
            (Some(_), unit) => usage.of(unit),
        });
    }

    async fn ask(&mut self, user: u8, team: u8, amount: u64, lag: u64) {
        let told = Now { time: self.now.time.before(self.ways.grains(lag)), ..self.now };
        let who = Attributes::new()
            .with(Attribute::User, format!("user-{user}"))
            .with(Attribute::Team, format!("team-{team}"));
        self.next_id += 1;
        let id = ReservationId(self.next_id);
        let order = self.policy.order(id, &who, &demand(amount), told, Time::MAX);
        let before = self.standings(&order, told).await;
        match self.store.reserve(&order, told).await.expect("an answer") {
            Decision::Admit(_) => {
                // The store never goes back in time, and neither does the model.
                let at = Now { time: told.time.max(self.committed(&order)), wall: told.wall };
                self.model.admit(&order, at);
                self.live.push((id, amount));
                self.compare(&order, at).await;
            }
            Decision::Refuse(refusal) => {
                assert_eq!(self.standings(&order, told).await, before, "a refusal left a trace");
                let at = Now { time: told.time.max(self.committed(&order)), wall: told.wall };
                let just = order.parts().any(|(group, charges)| {
                    charges.iter().any(|charge| self.model.has_no_room(group, charge, at))
                });
                assert!(just, "refused though there was room: {refusal:?}");
                if let Some(promised) = refusal.retry.promised() {
                    self.hold_to_promise(&order, told, promised).await;
                }
            }
            Decision::Wait(waiting) => panic!("nothing waits yet: {waiting:?}"),
        }
    }

    /// Every account of an order is within its limit and says so exactly, but for large
    /// windows, which may count a unit for a sixtieth longer.
    async fn compare(&self, order: &Order<'_>, at: Now) {
        let standings = self.standings(order, at).await;
        let charges = order.parts().flat_map(|(g, charges)| charges.iter().map(move |c| (g, c)));
        for ((group, charge), standing) in charges.zip(standings) {
            assert!(self.model.keeps(group, charge, at), "over the limit: {charge:?} at {at:?}");
            let left = charge.rule.cap.saturating_sub(self.model.sum(group, charge, at));
            match charge.rule.kind {
                Kind::Bucket { .. } => {}
                Kind::Window { .. } if charge.rule.cap > 64 => assert!(standing.remaining <= left),
                _ => assert_eq!(standing.remaining, left, "{charge:?} at {at:?}"),
            }
        }
    }

    /// The latest instant committed to any cell of an order, as the model saw it.
    fn committed(&self, order: &Order<'_>) -> Time {
        let is_theirs = |taken: &&Taken| {
            order
                .groups
                .iter()
                .any(|g| (g.scope, g.key.as_str()) == (taken.account.0, taken.account.1.as_str()))
        };
        self.model.taken.iter().filter(is_theirs).map(|t| t.touched).max().unwrap_or(Time::ZERO)
    }

    async fn standings(&self, order: &Order<'_>, at: Now) -> Vec<Standing> {
        let mut all = self.store.standings(order, at).await.expect("an answer").into_vec();
        let is_idle = |standing: &Standing| standing.remaining == standing.cap;
        for standing in all.iter_mut().filter(|standing| self.ways.in_parts && is_idle(standing)) {
            standing.reset = Time::ZERO;
        }
        all
    }

    /// Refused at every instant before the promised one and admitted at it.
    async fn hold_to_promise(&self, order: &Order<'_>, told: Now, promised: Time) {
        let ask_at = async |time: Time| {
            let now = Now { time, wall: told.wall.after(time.since(told.time)) };
            let who = order.attributes;
            let order = self.policy.order(order.id, who, &order.demand, now, Time::MAX);
            self.store.check(&order, now).await.expect("an answer")
        };
        let waited = promised.since(told.time).as_nanos() as u64 / self.ways.grain;
        for part in [0, 1, 7, 31, 59, 99] {
            let at = told.time.after(self.ways.grains(waited / 100 * part));
            if at < promised {
                let asked = ask_at(at).await;
                assert!(matches!(asked, Decision::Refuse(_)), "admitted before {promised:?}");
            }
        }
        let early = ask_at(promised.before(self.ways.grains(1))).await;
        assert!(matches!(early, Decision::Refuse(_)), "admitted a moment early");
        let in_time = ask_at(promised).await;
        assert!(matches!(in_time, Decision::Admit(_)), "refused at the promised instant");
    }
}
