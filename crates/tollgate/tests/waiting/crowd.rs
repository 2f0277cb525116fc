//! Many waiters, real threads, and cancellations at random.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _};
use tollgate::{Clock, HOLD, Memory, Patience, Tollgate, Verdict};
use tollgate_core::{Demand, Policy};

use crate::support::{all_slots, left, user_slots, who};

const USERS: usize = 20;
const EACH: usize = 100;

/// What became of everybody.
#[derive(Debug, Default)]
struct Tally {
    running: AtomicUsize,
    most: AtomicUsize,
    served: AtomicUsize,
    refused: AtomicUsize,
    cancelled: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_crowd_that_half_goes_away_nobody_is_lost_and_nothing_leaks() {
    const SLOTS: usize = 3;
    let limits = vec![user_slots(2, EACH), all_slots(SLOTS as u64, USERS * EACH)];
    let policy = Policy::new(limits).expect("names differ");
    let gate = Tollgate::new(policy, Memory::default(), Clock::system(), HOLD);
    let tally = Arc::new(Tally::default());
    let tasks: Vec<_> = (0..USERS * EACH)
        .map(|nth| tokio::spawn(one(gate.clone(), Arc::clone(&tally), nth)))
        .collect();
    for task in tasks {
        task.await.expect("nobody panics");
    }
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    let all = count(&tally.served) + count(&tally.refused) + count(&tally.cancelled);
    assert_eq!(all, USERS * EACH, "{tally:?}");
    assert!(count(&tally.cancelled) > 0 && count(&tally.served) > 0, "{tally:?}");
    assert!(count(&tally.most) <= SLOTS, "{tally:?}");
    assert_eq!(left(&gate, &who("nobody"), "all-slots").await, SLOTS as u64);
    assert!(gate.is_at_rest() && gate.waiting() == 0, "{tally:?}");
}

async fn one(gate: Tollgate<Memory>, tally: Arc<Tally>, nth: usize) {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(nth as u64);
    let user = who(&format!("user-{}", nth % USERS));
    let patience = Patience::of(Duration::from_secs(20));
    let acquire = gate.acquire(&user, &Demand::ONE_REQUEST, patience);
    let verdict = if random.random_bool(0.5) {
        // It gives up after some turns of the scheduler, wherever it is by then.
        let turns = random.random_range(0..40);
        tokio::select! {
            biased;
            verdict = acquire => Some(verdict),
            () = after(turns) => None,
        }
    } else {
        Some(acquire.await)
    };
    match verdict {
        None => tally.cancelled.fetch_add(1, Ordering::SeqCst),
        Some(Ok(Verdict::Refuse(_))) => tally.refused.fetch_add(1, Ordering::SeqCst),
        Some(Err(error)) => panic!("{error}"),
        Some(Ok(Verdict::Admit(permit))) => {
            let running = tally.running.fetch_add(1, Ordering::SeqCst) + 1;
            tally.most.fetch_max(running, Ordering::SeqCst);
            after(random.random_range(0..4)).await;
            tally.running.fetch_sub(1, Ordering::SeqCst);
            drop(permit);
            tally.served.fetch_add(1, Ordering::SeqCst)
        }
    };
}

async fn after(turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_wait_on_one_slot_and_each_has_its_turn_in_order() {
    const ALL: usize = 10_000;
    let mut limit = all_slots(1, ALL);
    // However slow the machine is, nobody's time is up.
    limit.queue.as_mut().expect("it has one").rules.timeout = Duration::from_secs(3_600);
    let policy = Policy::new(vec![limit]).expect("one");
    let gate = Tollgate::new(policy, Memory::default(), Clock::system(), HOLD);
    let first = crate::support::run(&gate, &who("first")).await;
    let order = Arc::new(parking_lot::Mutex::new(Vec::with_capacity(ALL)));
    let mut tasks = Vec::with_capacity(ALL);
    for nth in 0..ALL {
        let waiting = crate::support::wait(&gate, &who("crowd")).await;
        let order = Arc::clone(&order);
        tasks.push(tokio::spawn(async move {
            if let Ok(Verdict::Admit(permit)) = waiting.turn().await {
                order.lock().push(nth);
                drop(permit);
            }
        }));
    }
    assert_eq!(gate.waiting(), ALL);
    drop(first);
    for task in tasks {
        task.await.expect("nobody panics");
    }
    assert!(order.lock().iter().copied().eq(0..ALL), "first come, first served, and all");
    assert!(gate.is_at_rest());
}
