//! What must hold in every schedule.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use redis_servers::{Fault, Mode, Plan, Schedule, until};
use tokio::time::timeout;
use tollgate_core::policy::settings::OnStoreFailure;

use crate::{
    gateways::{BUDGET, GATEWAYS, Gateways, TIMEOUT, USERS},
    users::{Asking, Tally},
};

/// What networks and servers do, nothing of which loses what was acknowledged.
const FAULTS: [Fault; 12] = [
    Fault::Network(Mode::Stall),
    Fault::Network(Mode::Delay(Duration::from_millis(20))),
    Fault::Network(Mode::Delay(Duration::from_millis(500))),
    Fault::Network(Mode::Refuse),
    Fault::Network(Mode::Loading),
    Fault::Network(Mode::ReadOnly),
    Fault::Network(Mode::Moved),
    Fault::Network(Mode::NoScript),
    Fault::Network(Mode::LoseAnswers),
    Fault::Cut,
    Fault::Pause,
    Fault::Restart,
];

/// So soon the numbers are exact again.
const HEALED: Duration = Duration::from_secs(5);

/// How many schedules are played, and how long their faults are at most.
fn size() -> (u64, Duration) {
    match std::env::var_os("TOLLGATE_LONG") {
        Some(_) => (200, TIMEOUT * 20),
        None => (20, TIMEOUT * 4),
    }
}

/// How often it is asked after all is well again.
const ASKED: u64 = 200;

/// Plays one schedule; how far the budget and the slots were passed in it.
async fn play(seed: u64, faults: &[Fault], mode: OnStoreFailure) -> [u64; 2] {
    let (_, longest) = size();
    let plan = Plan { faults, events: 4, longest, proxies: GATEWAYS };
    let schedule = Schedule::of(seed, &plan);
    let mut gateways = Gateways::start(mode).await;
    let tally = Arc::new(Tally::default());
    let asking = Asking::begin(&gateways, &tally, seed);
    schedule.play(&gateways.proxies, &mut gateways.server).await.unwrap();
    let healed = timeout(HEALED, gateways.are_well()).await;
    assert!(healed.is_ok(), "not well after {HEALED:?} ({mode:?}): {gateways}\n{schedule}");
    asking.end().await;
    let beyond = beyond(&tally);
    let bound = gateways.bound();
    let is_within = beyond.iter().zip(&bound).all(|(beyond, bound)| beyond <= bound);
    assert!(is_within, "{beyond:?} is beyond {bound:?} ({mode:?})\n{schedule}");
    exact(&gateways, &tally, &schedule).await;

    let (asked, alone) = (tally.asked(), gateways.alone());
    let asking = Asking::begin(&gateways, &tally, seed + 1);
    until("it was asked again", async || (tally.asked() > asked + ASKED).then_some(()))
        .await
        .unwrap();
    asking.end().await;
    let slots = (0..USERS.len()).map(|nth| tally.take_beyond_slots(nth)).max();
    // On a machine that does much else, an answer may come too late at any time.
    let is_well = gateways.alone() == alone;
    assert!(!is_well || slots == Some(0), "{slots:?} slots too many while all is well\n{schedule}");
    exact(&gateways, &tally, &schedule).await;
    beyond
}

/// How far the budgets and the slots were passed.
fn beyond(tally: &Tally) -> [u64; 2] {
    let users = || 0..USERS.len();
    let money = users().map(|nth| tally.settled[nth].load(SeqCst).saturating_sub(BUDGET)).max();
    let slots = users().map(|nth| tally.take_beyond_slots(nth)).max();
    [money.unwrap_or(0), slots.unwrap_or(0)]
}

/// Waits until Redis says what was settled, and that nothing is held.
async fn exact(gateways: &Gateways, tally: &Tally, schedule: &Schedule) {
    for nth in 0..USERS.len() {
        let settled = tally.settled[nth].load(SeqCst);
        let agrees = until("the numbers agree", async || {
            (gateways.in_redis(nth).await == [settled, 0]).then_some(())
        });
        if timeout(HEALED, agrees).await.is_err() {
            let [money, slots] = gateways.in_redis(nth).await;
            panic!("{money} and {slots} slots in the place of {settled} and 0\n{schedule}");
        }
    }
}

/// How many schedules are played at once. They wait more than they work.
const AT_ONCE: usize = 2;

/// Plays schedules, and says how far they went beyond the limits at worst.
async fn play_all(
    seeds: Range<u64>,
    faults: &'static [Fault],
    mode: fn(u64) -> OnStoreFailure,
) -> Worst {
    let playing =
        seeds.map(|seed| async move { (mode(seed), play(seed, faults, mode(seed)).await) });
    let mut playing = stream::iter(playing).buffer_unordered(AT_ONCE);
    let mut worst = Worst::default();
    while let Some((mode, beyond)) = playing.next().await {
        worst.note(mode, beyond);
    }
    worst
}

/// How far any schedule went beyond the budget and the slots.
#[derive(Debug, Default)]
struct Worst {
    shared: [u64; 2],
    closed: [u64; 2],
}

impl Worst {
    fn note(&mut self, mode: OnStoreFailure, beyond: [u64; 2]) {
        let closed = mode == OnStoreFailure::Closed;
        let worst = if closed { &mut self.closed } else { &mut self.shared };
        worst.iter_mut().zip(beyond).for_each(|(worst, beyond)| *worst = beyond.max(*worst));
    }
}

/// Every other schedule is played with limits that are closed while Redis is away.
fn in_turn(seed: u64) -> OnStoreFailure {
    if seed.is_multiple_of(2) { OnStoreFailure::Share } else { OnStoreFailure::Closed }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_limit_is_passed_beyond_its_bound_and_the_numbers_are_exact_again() {
    let worst = play_all(0..size().0, &FAULTS, in_turn).await;
    assert_eq!(worst.closed, [0, 0], "closed limits are never passed");
    println!("{worst:?}");
}

/// What stops the server for all gateways alike.
const RESTARTS: [Fault; 2] = [Fault::Restart, Fault::Pause];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_restart_passes_no_closed_limit_and_shared_ones_within_their_bound() {
    let worst = play_all(0..size().0 / 2, &RESTARTS, in_turn).await;
    assert_eq!(worst.closed, [0, 0], "closed limits are never passed");
    println!("{worst:?}");
}
