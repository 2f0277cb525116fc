//! Gates with queues in few words.

use std::{num::NonZeroU32, time::Duration};

use tollgate::{
    Clock, Entered, HOLD, Memory, Patience, Permit, Refused, Tollgate, Verdict, Waiting,
};
use tollgate_core::{
    Attribute, Attributes, Demand, Policy, Time, Unit,
    policy::{Limit, Measure, Queue},
    queue::{Overflow, Rules},
};

pub(crate) type Gate = Tollgate<Memory>;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A queue of this size, in which each waits for half a minute.
pub(crate) fn queue(size: usize) -> Queue {
    Queue {
        rules: Rules {
            size,
            per_tenant: None,
            timeout: 30 * SECOND,
            overflow: Overflow::DropNewest,
            bypass: None,
            ageing: 10 * SECOND,
        },
        tenant: Attribute::User,
        weights: vec![("premium".into(), NonZeroU32::new(4).expect("four"))],
        timeout_status: 408,
        claim: SECOND,
        for_holds: false,
    }
}

pub(crate) fn slots(name: &str, per: &[Attribute], cap: u64, queue: Queue) -> Limit {
    let slots = Limit::new(name, per, Unit::Requests, Measure::Concurrency { cap });
    Limit { queue: Some(queue), ..slots }
}

pub(crate) fn user_slots(cap: u64, size: usize) -> Limit {
    slots("user-slots", &[Attribute::User], cap, queue(size))
}

pub(crate) fn all_slots(cap: u64, size: usize) -> Limit {
    slots("all-slots", &[], cap, queue(size))
}

/// At most so many requests in any minute, for all together.
pub(crate) fn a_minute(cap: u64, queue: Option<Queue>) -> Limit {
    let window = Measure::Window { length: 60 * SECOND, cap };
    Limit { queue, ..Limit::new("minute", &[], Unit::Requests, window) }
}

/// A gate whose time is the runtime's.
pub(crate) fn gate(limits: Vec<Limit>) -> Gate {
    let clock = Clock::of_runtime(Time::from_millis(1_790_000_000_000));
    let policy = Policy::new(limits).expect("names differ");
    Tollgate::new(policy, Memory::default(), clock, HOLD)
}

pub(crate) fn who(user: &str) -> Attributes {
    Attributes::new().with(Attribute::User, user)
}

pub(crate) async fn enter(gate: &Gate, who: &Attributes) -> Entered<Memory> {
    let entered = gate.enter(gate.policy(), who, &Demand::ONE_REQUEST, Patience::POLICY).await;
    entered.expect("a store in memory answers")
}

/// Enters and must run at once.
pub(crate) async fn run(gate: &Gate, who: &Attributes) -> Permit<Memory> {
    match enter(gate, who).await {
        Entered::Admit(permit) => permit,
        other => panic!("does not run: {other:?}"),
    }
}

/// Enters and must get a place.
pub(crate) async fn wait(gate: &Gate, who: &Attributes) -> Waiting<Memory> {
    match enter(gate, who).await {
        Entered::Wait(waiting) => waiting,
        other => panic!("does not wait: {other:?}"),
    }
}

/// Enters and must find the door shut.
pub(crate) async fn refused(gate: &Gate, who: &Attributes) -> Refused {
    match enter(gate, who).await {
        Entered::Refuse(refused) => refused,
        other => panic!("is not refused: {other:?}"),
    }
}

/// The turn of one that must have been told already.
pub(crate) fn told(waiting: &mut Waiting<Memory>) -> Verdict<Memory> {
    waiting.try_turn().expect("it was told").expect("a store in memory answers")
}

/// The permit of one whose turn must have come.
pub(crate) fn admitted(waiting: &mut Waiting<Memory>) -> Permit<Memory> {
    match told(waiting) {
        Verdict::Admit(permit) => permit,
        Verdict::Refuse(refused) => panic!("refused: {refused:?}"),
    }
}

/// What is left of a limit for this caller.
pub(crate) async fn left(gate: &Gate, who: &Attributes, limit: &str) -> u64 {
    use tollgate::Store as _;
    let (policy, now) = (gate.policy(), gate.clock().now());
    let order = policy.order(tollgate::new_id(now.wall), who, &Demand::ONE_REQUEST, now, now.time);
    let standings = gate.store().standings(&order, now).await.expect("it answers");
    let named = |id| policy.limit(id).is_some_and(|known| known.name == limit);
    standings.iter().find(|standing| named(standing.limit)).expect("it is charged").remaining
}
