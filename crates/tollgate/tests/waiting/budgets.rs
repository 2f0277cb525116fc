//! Whom only what others have reserved stands in the way of waits for it, instead of being
//! refused for the rest of the day.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use proptest::{collection::vec, prelude::*, sample::Index};
use tollgate::{Cause, Entered, Memory, Patience, Permit, Planner, Store as _, Verdict, Waiting};
use tollgate_core::{
    Amounts, Attributes, Calendar, Demand, NanoUsd, PeriodUnit, Retry, Unit,
    policy::{Limit, Measure, Queue},
};

use crate::support::{Gate, SECOND, a_minute, admitted, all_slots, gate, left, queue, who};

/// A day's budget, with the waiting room that every budget has.
fn budget(cap: u64) -> Limit {
    let calendar = Calendar::new(PeriodUnit::Day, jiff::tz::TimeZone::UTC);
    let measure = Measure::Period { calendar: Arc::new(calendar), cap };
    Limit { queue: Some(Queue::for_holds()), ..Limit::new("spend", &[], Unit::Usd, measure) }
}

fn costs(nanos: u64) -> Amounts {
    Amounts { cost: NanoUsd(nanos), ..Amounts::ONE_REQUEST }
}

async fn ask(gate: &Gate, who: &Attributes, nanos: u64, patience: Patience) -> Entered<Memory> {
    gate.enter(gate.policy(), who, &costs(nanos), patience).await.expect("memory answers")
}

/// Plans to ask for so much, as it is told meanwhile.
#[derive(Debug)]
struct Told(AtomicU64);

impl Told {
    fn now(nanos: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(nanos)))
    }
}

impl Planner for Told {
    fn plan(&self) -> Demand {
        costs(self.0.load(SeqCst))
    }
}

async fn ask_planned(gate: &Gate, who: &Attributes, told: &Arc<Told>) -> Entered<Memory> {
    let (planner, demand) = (Arc::clone(told) as Arc<dyn Planner>, told.plan());
    let entered = gate.enter_planned(gate.policy(), who, &demand, planner, Patience::POLICY);
    entered.await.expect("memory answers")
}

async fn hold(gate: &Gate, who: &Attributes, nanos: u64) -> Permit<Memory> {
    match ask(gate, who, nanos, Patience::POLICY).await {
        Entered::Admit(permit) => permit,
        other => panic!("does not run: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_would_fit_if_others_gave_back_waits_until_they_tell() {
    let gate = gate(vec![budget(1_000)]);
    let ann = who("ann");
    let one = hold(&gate, &ann, 600).await;
    let two = hold(&gate, &ann, 400).await;
    let Entered::Wait(mut waiting) = ask(&gate, &ann, 500, Patience::POLICY).await else {
        panic!("only holds are in the way")
    };
    two.end(Some(costs(400)));
    assert!(waiting.try_turn().is_none(), "that was all used");
    one.end(Some(costs(100)));
    let permit = admitted(&mut waiting);
    assert_eq!(left(&gate, &ann, "spend").await, 0);
    permit.end(Some(costs(500)));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_refused_as_soon_as_the_money_is_spent() {
    let gate = gate(vec![budget(1_000)]);
    let ann = who("ann");
    let one = hold(&gate, &ann, 1_000).await;
    let Entered::Wait(waiting) = ask(&gate, &ann, 100, Patience::POLICY).await else {
        panic!("only a hold is in the way")
    };
    one.end(Some(costs(950)));
    let Ok(Verdict::Refuse(refused)) = waiting.turn().await else { panic!("it is spent") };
    assert_eq!(refused.cause, Cause::Limit);
    assert!(matches!(refused.refusal.retry, Retry::At(_)), "the next day is promised");
    assert!(gate.is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_what_is_spent_or_was_never_there() {
    let gate = gate(vec![budget(1_000)]);
    let ann = who("ann");
    hold(&gate, &ann, 900).await.end(Some(costs(900)));
    let held = hold(&gate, &ann, 50).await;
    for nanos in [101, 1_001] {
        let asked = ask(&gate, &ann, nanos, Patience::POLICY).await;
        let Entered::Refuse(refused) = asked else { panic!("waits for {nanos}: {asked:?}") };
        assert_eq!(refused.cause, Cause::Limit);
    }
    held.end(None);
}

#[tokio::test(start_paused = true)]
async fn a_reserved_budget_is_not_called_spent() {
    let gate = gate(vec![budget(1_000)]);
    let ann = who("ann");
    let held = hold(&gate, &ann, 1_000).await;
    let Entered::Refuse(refused) = ask(&gate, &ann, 1, Patience::NONE).await else {
        panic!("it does not wait")
    };
    assert_eq!(refused.cause, Cause::Reserved);
    let checked = gate.check(&ann, &costs(1)).await.expect("memory answers");
    assert_eq!(checked.map(|refused| refused.cause), Some(Cause::Reserved));
    held.end(None);
}

#[tokio::test(start_paused = true)]
async fn a_limit_without_a_queue_refuses_whatever_is_reserved_and_is_the_one_told() {
    let gate = gate(vec![budget(1_000), a_minute(1, None)]);
    let ann = who("ann");
    let held = hold(&gate, &ann, 1_000).await;
    let Entered::Refuse(refused) = ask(&gate, &ann, 1, Patience::POLICY).await else {
        panic!("nobody waits for the minute")
    };
    assert_eq!(refused.limit().map(|limit| limit.name.as_str()), Some("minute"));
    held.end(None);
}

#[tokio::test(start_paused = true)]
async fn an_expired_hold_wakes_nobody_with_money_that_may_be_spent() {
    let gate = gate(vec![budget(1_000)]);
    let ann = who("ann");
    let (held, _) = hold(&gate, &ann, 1_000).await.into_id();
    let Entered::Wait(waiting) = ask(&gate, &ann, 1, Patience::POLICY).await else {
        panic!("only a hold is in the way")
    };
    let now = gate.clock().now();
    gate.store().renew(held, now.time, now).await.expect("it lives");
    assert_eq!(gate.expire().await, Ok(1));
    let Ok(Verdict::Refuse(refused)) = waiting.turn().await else { panic!("counted as spent") };
    assert_eq!(refused.cause, Cause::Limit);
}

#[tokio::test(start_paused = true)]
async fn a_budget_does_not_shorten_how_long_one_waits_for_a_slot() {
    let slots = all_slots(1, 5);
    let slow = Queue {
        rules: tollgate_core::queue::Rules { timeout: 300 * SECOND, ..queue(5).rules },
        ..queue(5)
    };
    let gate = gate(vec![budget(1_000), Limit { queue: Some(slow), ..slots }]);
    let ann = who("ann");
    let held = hold(&gate, &ann, 1).await;
    let Entered::Wait(waiting) = ask(&gate, &ann, 1, Patience::POLICY).await else {
        panic!("the slot is taken")
    };
    let left = waiting.deadline().since(gate.clock().now().time);
    assert_eq!(left, 300 * SECOND);
    held.end(None);
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_costs_less_than_it_reserves_is_served_whole() {
    let gate = gate(vec![budget(1_000)]);
    let ann = who("ann");
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (gate, ann) = (gate.clone(), ann.clone());
        calls.spawn(async move {
            let permit = match ask(&gate, &ann, 200, Patience::POLICY).await {
                Entered::Admit(permit) => permit,
                Entered::Wait(waiting) => match waiting.turn().await {
                    Ok(Verdict::Admit(permit)) => permit,
                    other => panic!("its turn did not come: {other:?}"),
                },
                Entered::Refuse(refused) => panic!("refused: {refused:?}"),
            };
            tokio::time::sleep(SECOND).await;
            permit.end(Some(costs(40)));
        });
    }
    assert_eq!(calls.join_all().await.len(), 20);
    assert_eq!(left(&gate, &ann, "spend").await, 1_000 - 20 * 40);
}

#[tokio::test(start_paused = true)]
async fn who_waits_asks_for_what_it_plans_when_its_turn_comes() {
    let gate = gate(vec![budget(1_000)]);
    let ann = who("ann");
    let one = hold(&gate, &ann, 500).await;
    let two = hold(&gate, &ann, 500).await;
    let plan = Told::now(600);
    let Entered::Wait(mut waiting) = ask_planned(&gate, &ann, &plan).await else {
        panic!("only holds are in the way")
    };
    plan.0.store(300, SeqCst);
    one.end(Some(costs(450)));
    assert!(waiting.try_turn().is_none(), "what it planned first has no room any more");
    two.end(Some(costs(100)));
    let permit = admitted(&mut waiting);
    assert_eq!(permit.demand(), &costs(300));
    assert_eq!(left(&gate, &ann, "spend").await, 1_000 - 550 - 300);
    permit.end(Some(costs(200)));
    assert_eq!(left(&gate, &ann, "spend").await, 1_000 - 550 - 200);
    assert!(gate.is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn who_plans_to_ask_for_more_than_is_left_is_refused_when_its_turn_comes() {
    let gate = gate(vec![budget(1_000)]);
    let ann = who("ann");
    let held = hold(&gate, &ann, 1_000).await;
    let plan = Told::now(300);
    let Entered::Wait(waiting) = ask_planned(&gate, &ann, &plan).await else {
        panic!("only a hold is in the way")
    };
    plan.0.store(901, SeqCst);
    held.end(Some(costs(100)));
    let Ok(Verdict::Refuse(refused)) = waiting.turn().await else { panic!("it has no room") };
    assert_eq!(refused.cause, Cause::Limit);
    assert_eq!(left(&gate, &ann, "spend").await, 900, "a refusal charges nothing");
    assert!(gate.is_at_rest());
}

/// What happens to a budget of [`CAP`] of which plans change while they wait.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody asks for a part of it.
    Ask(u64),
    /// Somebody who waits plans to ask for something else.
    Replan(Index, u64),
    /// Somebody ends who used this percentage of what it holds.
    End(Index, u64),
}

const CAP: u64 = 1_000;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..CAP).prop_map(Step::Ask),
        4 => (any::<Index>(), 1..CAP).prop_map(|(who, nanos)| Step::Replan(who, nanos)),
        3 => (any::<Index>(), 0_u64..=100).prop_map(|(who, share)| Step::End(who, share)),
    ];
    vec(step, 1..60)
}

#[derive(Default)]
struct Play {
    running: Vec<Permit<Memory>>,
    waiting: Vec<(Arc<Told>, Waiting<Memory>)>,
    settled: u64,
}

impl Play {
    async fn step(&mut self, gate: &Gate, step: &Step) {
        match step {
            Step::Ask(nanos) => {
                let plan = Told::now(*nanos);
                match ask_planned(gate, &who("ann"), &plan).await {
                    Entered::Admit(permit) => self.running.push(permit),
                    Entered::Wait(waiting) => self.waiting.push((plan, waiting)),
                    Entered::Refuse(_) => {}
                }
            }
            Step::Replan(which, nanos) if !self.waiting.is_empty() => {
                which.get(&self.waiting).0.0.store(*nanos, SeqCst);
            }
            Step::End(which, share) if !self.running.is_empty() => {
                let permit = self.running.swap_remove(which.index(self.running.len()));
                let used = permit.demand().cost.0 * share / 100;
                self.settled += used;
                permit.end(Some(costs(used)));
            }
            Step::Replan(..) | Step::End(..) => {}
        }
        for (plan, mut waiting) in std::mem::take(&mut self.waiting) {
            match waiting.try_turn() {
                Some(Ok(Verdict::Admit(permit))) => {
                    assert_eq!(permit.demand(), &plan.plan(), "it holds what it plans now");
                    self.running.push(permit);
                }
                Some(Ok(Verdict::Refuse(refused))) => assert_eq!(refused.cause, Cause::Limit),
                Some(Err(error)) => panic!("{error}"),
                None => self.waiting.push((plan, waiting)),
            }
        }
        let held: u64 = self.running.iter().map(|permit| permit.demand().cost.0).sum();
        assert!(self.settled + held <= CAP, "{} settled, {held} held", self.settled);
        assert_eq!(left(gate, &who("ann"), "spend").await, CAP - self.settled - held);
        assert!(self.waiting.is_empty() || held > 0, "nobody waits for what does not come back");
    }
}

proptest! {
    #[test]
    fn whatever_is_planned_anew_is_held_whole_and_never_over_the_budget(steps in steps()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let (gate, mut play) = (gate(vec![budget(CAP)]), Play::default());
            for step in &steps {
                play.step(&gate, step).await;
            }
        });
    }
}
