//! Invariants 1, 2, 3, 5, 6 and 9, one request after the other in virtual time.

use std::{sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*};
use tollgate::Memory;
use tollgate_core::{
    Attribute, Attributes, Calendar, Decision, Kind, Now, Order, PeriodUnit, Policy, ReservationId,
    Time, Unit, Usage,
    policy::{Limit, Measure},
};

use crate::model::{Model, Taken, demand, just_before};

#[derive(Debug, Clone)]
enum Step {
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
        nanos: u64,
    },
    /// The caller's clock lags behind what the store has seen.
    Lag {
        nanos: u64,
    },
    SetWall {
        seconds: i64,
    },
}

fn measures() -> impl Strategy<Value = (Unit, Measure)> {
    let unit = prop_oneof![Just(Unit::Requests), Just(Unit::Tokens), Just(Unit::Usd)];
    let length = (1_u64..20_000_000_000).prop_map(Duration::from_nanos);
    let measure = prop_oneof![
        (1_u64..50, length.clone(), 1_u64..40).prop_map(|(rate, per, burst)| Measure::Bucket {
            rate,
            per,
            burst
        }),
        (length, prop_oneof![1_u64..30, 60_u64..500])
            .prop_map(|(length, cap)| Measure::Window { length, cap }),
        (1_u64..200).prop_map(|cap| Measure::Period {
            calendar: Arc::new(Calendar::new(PeriodUnit::Day, jiff::tz::TimeZone::UTC)),
            cap
        }),
        (1_u64..6).prop_map(|cap| Measure::Concurrency { cap }),
    ];
    (unit, measure)
}

fn policies() -> impl Strategy<Value = Policy> {
    let per = prop_oneof![
        Just(vec![]),
        Just(vec![Attribute::User]),
        Just(vec![Attribute::Team, Attribute::User]),
    ];
    vec((measures(), per), 1..6).prop_map(|limits| {
        let limits = limits.into_iter().enumerate().map(|(nth, ((unit, measure), per))| {
            let name = format!("limit-{nth}");
            let slots = matches!(measure, Measure::Concurrency { .. });
            let unit = if slots { Unit::Requests } else { unit };
            Limit::new(&name, &per, unit, measure)
        });
        Policy::new(limits.collect()).expect("names differ")
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_u8..3, 0_u8..2, 0_u64..25).prop_map(|(user, team, amount)| Step::Ask { user, team, amount }),
        3 => (any::<usize>(), 0_u64..=100).prop_map(|(which, percent)| Step::Settle { which, percent }),
        1 => any::<usize>().prop_map(|which| Step::Void { which }),
        3 => prop_oneof![0_u64..1_000, 0_u64..3_000_000_000, 0_u64..30_000_000_000]
            .prop_map(|nanos| Step::Wait { nanos }),
        1 => (0_u64..2_000_000_000).prop_map(|nanos| Step::Lag { nanos }),
        1 => (-7_200_i64..90_000).prop_map(|seconds| Step::SetWall { seconds }),
    ];
    vec(step, 1..120)
}

struct Play {
    store: Memory,
    policy: Policy,
    model: Model,
    now: Now,
    /// Live reservations, with the amount each asked for.
    live: Vec<(ReservationId, u64)>,
    next_id: u128,
}

impl Play {
    fn new(policy: Policy) -> Self {
        let began = Time::from_millis(1_790_000_000_000);
        Self {
            store: Memory::default(),
            policy,
            model: Model::default(),
            now: Now::at(began),
            live: vec![],
            next_id: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Ask { user, team, amount } => self.ask(*user, *team, *amount, 0),
            Step::Lag { nanos } => self.ask(0, 0, 1, *nanos),
            Step::Wait { nanos } => {
                let by = Duration::from_nanos(*nanos);
                self.now = Now { time: self.now.time.after(by), wall: self.now.wall.after(by) };
            }
            Step::SetWall { seconds } => {
                let by = Duration::from_secs(seconds.unsigned_abs());
                let wall = self.now.wall;
                self.now.wall = if *seconds < 0 { wall.before(by) } else { wall.after(by) };
            }
            Step::Settle { which, percent } => self.end(*which, Some(*percent)),
            Step::Void { which } => self.end(*which, None),
        }
    }

    /// Settles a live reservation with a part of what it asked for, or voids it.
    fn end(&mut self, which: usize, percent: Option<u64>) {
        if self.live.is_empty() {
            return;
        }
        let (id, asked) = self.live.swap_remove(which % self.live.len());
        let usage: Usage = demand(asked * percent.unwrap_or_default() / 100);
        let ended = match percent {
            Some(_) => self.store.settle_now(id, &usage, self.now),
            None => self.store.void_now(id, self.now),
        };
        ended.expect("it is live");
        self.model.end(id, self.now, |unit, held| match (percent, unit) {
            (None, _) => 0,
            (Some(_), Unit::Requests) => held,
            (Some(_), unit) => usage.of(unit),
        });
    }

    fn ask(&mut self, user: u8, team: u8, amount: u64, lag: u64) {
        let told = Now { time: self.now.time.before(Duration::from_nanos(lag)), ..self.now };
        let who = Attributes::new()
            .with(Attribute::User, format!("user-{user}"))
            .with(Attribute::Team, format!("team-{team}"));
        self.next_id += 1;
        let id = ReservationId(self.next_id);
        let order = self.policy.order(id, &who, &demand(amount), told, Time::MAX);
        let before = self.store.standings_now(&order, told);
        match self.store.reserve_now(&order, told).expect("memory answers") {
            Decision::Admit(_) => {
                // The store never goes back in time, and neither does the model.
                let at = Now { time: told.time.max(self.committed(&order)), wall: told.wall };
                self.model.admit(&order, at);
                self.live.push((id, amount));
                self.compare(&order, at);
            }
            Decision::Refuse(refusal) => {
                assert_eq!(
                    self.store.standings_now(&order, told),
                    before,
                    "a refusal left a trace"
                );
                let at = Now { time: told.time.max(self.committed(&order)), wall: told.wall };
                let just = order.parts().any(|(group, charges)| {
                    charges.iter().any(|charge| self.model.has_no_room(group, charge, at))
                });
                assert!(just, "refused though there was room: {refusal:?}");
                if let Some(promised) = refusal.retry.promised() {
                    self.hold_to_promise(&order, told, promised);
                }
            }
            Decision::Wait(waiting) => panic!("nothing waits yet: {waiting:?}"),
        }
    }

    /// Every account of an order is within its limit and says so exactly, but for large
    /// windows, which may count a unit for a sixtieth longer.
    fn compare(&self, order: &Order<'_>, at: Now) {
        let standings = self.store.standings_now(order, at);
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

    /// Refused at every instant before the promised one and admitted at it.
    fn hold_to_promise(&self, order: &Order<'_>, told: Now, promised: Time) {
        let ask_at = |time: Time| {
            let by = time.since(told.time);
            let now = Now { time, wall: told.wall.after(by) };
            let who = order.attributes;
            let order = self.policy.order(order.id, who, &order.demand, now, Time::MAX);
            self.store.check_now(&order, now)
        };
        let waited = promised.since(told.time).as_nanos() as u64;
        for part in [0, 1, 7, 31, 59, 99] {
            let at = told.time.after(Duration::from_nanos(waited / 100 * part));
            if at < promised {
                assert!(matches!(ask_at(at), Decision::Refuse(_)), "admitted before {promised:?}");
            }
        }
        assert!(
            matches!(ask_at(just_before(promised)), Decision::Refuse(_)),
            "admitted 1 ns early"
        );
        assert!(matches!(ask_at(promised), Decision::Admit(_)), "refused at the promised instant");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn decisions_keep_their_promises(policy in policies(), steps in steps()) {
        let mut play = Play::new(policy);
        for step in &steps {
            play.step(step);
        }
    }
}
