//! Admission and wake-up under schedules that shuttle tries out: whoever comes, ends and goes
//! away at the same time, nobody is forgotten and no slot is held twice or lost.
//!
//! `cargo test -p tollgate --features shuttle --test schedules`

use std::{sync::Arc, time::Duration};

use shuttle::{
    Config, Runner,
    future::block_on,
    scheduler::RandomScheduler,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};
use tollgate::{Clock, Entered, HOLD, Memory, Patience, Permit, Tollgate, Verdict, Waiting};
use tollgate_core::{
    Attribute, Attributes, Demand, Policy, Time, Unit,
    policy::{Limit, Measure, Queue},
    queue::{Overflow, Rules},
};

type Gate = Tollgate<Memory>;

/// Schedules tried of each scene.
const SCHEDULES: usize = 2_000;
/// What a thread's calls need when nothing is optimised.
const STACK_BYTES: usize = 256 * 1024;

fn limit(name: &str, per: &[Attribute], cap: u64) -> Limit {
    let rules = Rules {
        size: 8,
        per_tenant: None,
        timeout: Duration::from_secs(30),
        overflow: Overflow::DropNewest,
        bypass: None,
        ageing: Duration::from_secs(10),
    };
    let queue = Queue {
        rules,
        tenant: Attribute::User,
        weights: vec![],
        timeout_status: 408,
        claim: Duration::from_secs(1),
        for_holds: false,
    };
    let slots = Limit::new(name, per, Unit::Requests, Measure::Concurrency { cap });
    Limit { queue: Some(queue), ..slots }
}

fn gate() -> Gate {
    let limits = vec![limit("user-slots", &[Attribute::User], 1), limit("all-slots", &[], 2)];
    let policy = Policy::new(limits).expect("names differ");
    Tollgate::new(policy, Memory::default(), Clock::set_at(Time::from_millis(1_000)), HOLD)
}

fn enter(gate: &Gate, user: &str) -> Entered<Memory> {
    let who = Attributes::new().with(Attribute::User, user);
    let entering = gate.enter(gate.policy(), &who, &Demand::ONE_REQUEST, Patience::POLICY);
    block_on(entering).expect("a store in memory answers")
}

/// Waits until it is told. One that is forgotten never is, and shuttle says so.
fn turn(mut waiting: Waiting<Memory>) -> Permit<Memory> {
    loop {
        match waiting.try_turn() {
            Some(Ok(Verdict::Admit(permit))) => return permit,
            Some(other) => panic!("nothing but a permit is told here: {other:?}"),
            None => thread::yield_now(),
        }
    }
}

/// Each runs once, one at a time for each user and two in all.
fn one(gate: &Gate, user: &str, running: &AtomicUsize, leaves: bool) {
    let permit = match enter(gate, user) {
        Entered::Admit(permit) => permit,
        Entered::Wait(waiting) if leaves => {
            thread::yield_now();
            drop(waiting);
            return;
        }
        Entered::Wait(waiting) => turn(waiting),
        Entered::Refuse(refused) => panic!("there are places enough: {refused:?}"),
    };
    assert!(running.fetch_add(1, Ordering::SeqCst) < 2, "a slot was given twice");
    thread::yield_now();
    running.fetch_sub(1, Ordering::SeqCst);
    drop(permit);
}

fn scene(people: &'static [(&'static str, bool)]) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    Runner::new(RandomScheduler::new(SCHEDULES), config).run(move || {
        let (gate, running) = (gate(), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = people
            .iter()
            .map(|(user, leaves)| {
                let (gate, running) = (gate.clone(), Arc::clone(&running));
                thread::spawn(move || one(&gate, user, &running, *leaves))
            })
            .collect();
        for thread in threads {
            thread.join().expect("nobody panics");
        }
        assert!(gate.is_at_rest() && gate.waiting() == 0);
    });
}

#[test]
fn whoever_waits_is_woken_by_whoever_ends() {
    scene(&[("a", false), ("a", false), ("b", false), ("c", false)]);
}

#[test]
fn whoever_goes_away_takes_nobodys_turn_along() {
    scene(&[("a", false), ("a", true), ("b", true), ("b", false), ("c", true)]);
}
