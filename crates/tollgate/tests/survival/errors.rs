//! Disks that fail one operation, or from one operation on: admission stops at once, nothing
//! is tried again, reading goes on, and a restart finds what was acknowledged.

use std::sync::Arc;

use faults::{Event, Failure, Fault, Operation};
use tollgate::{
    Clock, Embedded, Store as _, StoreError,
    core::{Amounts, Decision, ReservationId},
    store::embedded::audit,
};

use crate::{
    books::Books,
    power::cut_power,
    scenario::{Load, Notes, use_store},
    world::{USERS, World, costing, counted, is_long, order, path, policy, who},
};

const LOAD: Load = Load { workers: 3, steps: 30, checkpoints: false };

/// Every kind of failure.
fn every_kind() -> impl Iterator<Item = (Operation, Failure, bool)> {
    let operations = [Operation::Write, Operation::Sync, Operation::Truncate];
    let kinds = operations
        .into_iter()
        .flat_map(|operation| [Failure::Broken, Failure::Full].map(|failure| (operation, failure)));
    kinds.flat_map(|(operation, failure)| [false, true].map(|lasts| (operation, failure, lasts)))
}

/// Every operation that is to fail, in the long form; a few of them in the short one.
fn instants() -> impl Iterator<Item = u64> {
    let (most, stride) = if is_long() { (u64::MAX, 1) } else { (180, 30) };
    (0..most).step_by(stride)
}

/// Runs the store on a disk that will fail; whether it did.
async fn run(world: &Arc<World>, notes: &Arc<Notes>, fault: Fault, context: &str) -> bool {
    let seed = fault.after;
    let opened = match world.open() {
        Ok(opened) => opened,
        Err(error) => {
            let said = error.to_string();
            assert!(said.starts_with("the ledger ") && said.len() < 300, "{context}: {said}");
            assert!(!said.contains('\n'), "{context}: {said}");
            // SQLite has undone what it had begun, and nobody was told anything.
            return true;
        }
    };
    let clock = opened.1.clone();
    let (store, said) = use_store((world, notes), opened, LOAD, seed).await;
    let events = world.disk.events();
    let failed = events.iter().position(Event::is_failure);
    if failed.is_some() {
        stopped(&(store, clock), said, world, context).await;
    } else {
        assert_eq!(said, None, "{context}: the disk is well");
        drop(store);
    }
    let events = world.disk.events();
    let Some(failed) = events.iter().position(Event::is_failure) else { return false };
    let after = events[failed..].iter().find(|event| event.is_change());
    assert_eq!(after, None, "{context}: nothing is tried again after a failure");
    true
}

/// Holds a store whose disk has failed to what it may still do, and ends it.
async fn stopped(
    opened: &(Embedded, Clock),
    said: Option<StoreError>,
    world: &World,
    context: &str,
) {
    let (store, clock) = opened;
    let (policy, who, demand, now) = (policy(), who("ann"), costing(1), clock.now());
    let asked = |id| order(&policy, (id, &who, &demand), clock);
    let said = match said {
        Some(said) => Err(said),
        // Perhaps nobody has waited for what could not be written; it is not later than that.
        None => match store.reserve(&asked(u128::MAX), now).await {
            Ok(_) => store.durable().await,
            Err(error) => Err(error),
        },
    };
    let Err(StoreError::Unavailable(reason)) = &said else {
        panic!("{context}: {said:?} after a failed write");
    };
    let text = said.as_ref().map_err(ToString::to_string).expect_err("an error");
    let is_clear = text.starts_with("the ledger can't be written") && !text.contains('\n');
    assert!(is_clear && !reason.is_empty(), "{context}: {text}");
    let order = asked(u128::MAX - 1);
    let refused = store.reserve(&order, now).await;
    assert_eq!(refused.map(drop), said, "{context}: money is not spent that nobody remembers");
    assert!(store.check(&order, now).await.is_ok(), "{context}");
    let mut free = order.clone();
    free.charges.retain(|charge| !charge.must_be_remembered());
    assert!(!free.charges.is_empty(), "there are rates and slots");
    free.groups = policy.order(free.id, &who, &demand, now, free.expires).groups;
    for group in &mut free.groups {
        // Of the user's and of everybody's limits, one is money.
        group.charges -= 1;
    }
    let free = store.reserve(&free, now).await;
    assert!(matches!(free, Ok(Decision::Admit(_))), "{context}: {free:?} without a budget");
    let ended = store.settle(ReservationId(u128::MAX - 1), &Amounts::default(), now).await;
    assert!(ended.is_ok(), "{context}: {ended:?}");
    assert!(store.durable().await.is_err(), "{context}: nothing is acknowledged any more");
    for user in USERS {
        counted(opened, user).await;
    }
    let found = audit(&path(world.folder.path())).unwrap_or_else(|e| panic!("{context}: {e}"));
    assert!(found.is_clean(), "{context}: {:#?}", found.findings);
}

/// A disk that fails once or for good, a restart, and then the power.
async fn fail(fault: Fault, is_new: bool) -> bool {
    let context = format!("{fault:?}{}", if is_new { " from the start" } else { "" });
    let (world, notes) = (Arc::new(World::new()), Arc::new(Notes::default()));
    if !is_new {
        let opened = world.open().expect("a ledger");
        use_store((&world, &notes), opened, Load { steps: 10, ..LOAD }, 1 << 40).await;
    }
    world.disk.fail(Some(fault));
    if !run(&world, &notes, fault, &context).await {
        return false;
    }
    world.disk.fail(None);
    let mut books = Books::default();
    notes.all().iter().for_each(|note| books.enter(note));
    let opened = world.open().unwrap_or_else(|error| panic!("{context}: {error}"));
    books.hold_open(&opened, &context).await;
    use_store((&world, &notes), opened, LOAD, 1 << 41).await;
    let images = if is_long() { 10 } else { 3 };
    cut_power(&world.disk.events(), &notes, (images, fault.after), &context).await;
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_fails_stops_admission_and_loses_nothing() {
    let mut failed = 0;
    for (operation, failure, lasts) in every_kind() {
        for is_new in [true, false] {
            for after in instants() {
                let fault = Fault { operation, after, failure, lasts };
                if !fail(fault, is_new).await {
                    // The scenario has no more such operations.
                    break;
                }
                failed += 1;
            }
        }
    }
    println!("{failed} disks have failed");
    assert!(failed > 30, "{failed} disks have failed");
}
