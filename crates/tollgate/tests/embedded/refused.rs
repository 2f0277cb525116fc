//! Files that can't be used, disks that fail, and what is said of them.

use std::time::Duration;

use rusqlite::Connection;
use tollgate::{
    Clock, Embedded, Store as _, StoreError,
    core::{ReservationId, Time},
    store::embedded::{EmbeddedBounds, LedgerError, audit},
};

use crate::world::{DEMAND, NOON, Open, World, every_kind, who};

fn set_at(floor: Time) -> Clock {
    Clock::set_at(NOON.max(floor))
}

#[test]
fn a_ledger_has_one_owner() {
    let world = World::new(every_kind());
    let open = world.open(NOON);
    let error = world.try_open(NOON).map(drop).expect_err("it is in use");
    assert_eq!(error, LedgerError::InUse { path: world.path() });
    assert!(error.to_string().contains("in use by another process"), "{error}");
    assert!(audit(&world.path()).is_ok(), "reading is free");
    drop(open);
    assert!(world.try_open(NOON).is_ok());
}

#[test]
fn what_is_no_ledger_is_left_alone() {
    let world = World::new(every_kind());
    let text = "this is a letter to my mother, and it is longer than a hundred bytes, \
        which is how long the head of a database is, dear mother";
    std::fs::write(world.path(), text).expect("a file");
    let error = world.try_open(NOON).map(drop).expect_err("it is a letter");
    assert_eq!(error, LedgerError::Foreign { path: world.path() });
    assert_eq!(audit(&world.path()), Err(error));
    assert_eq!(std::fs::read_to_string(world.path()).expect("a file"), text);
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let world = World::new(every_kind());
    let other = Connection::open(world.path()).expect("a database");
    other.execute_batch("CREATE TABLE recipes (name TEXT)").expect("a table");
    drop(other);
    let error = world.try_open(NOON).map(drop).expect_err("it is a cookbook");
    assert_eq!(error, LedgerError::Foreign { path: world.path() });
}

#[test]
fn a_newer_ledger_is_left_alone() {
    let world = World::new(every_kind());
    drop(world.open(NOON));
    let file = Connection::open(world.path()).expect("a database");
    file.pragma_update(None, "user_version", 7).expect("a format");
    drop(file);
    let error = world.try_open(NOON).map(drop).expect_err("it is newer");
    assert_eq!(error, LedgerError::Newer { path: world.path(), found: 7, known: 4 });
}

#[tokio::test]
async fn a_damaged_ledger_says_so() {
    for damage in [
        "UPDATE checkpoints SET state = '{'",
        "UPDATE meta SET value = -1",
        "UPDATE entries SET kind = 99",
        "UPDATE entries SET charges = '[[1]]'",
        "UPDATE entries SET id = x'00'",
        "DELETE FROM rules",
        "DROP TABLE rules",
    ] {
        let world = World::new(every_kind());
        let open = world.open(NOON);
        world.reserve(&open, 1, "ann").await;
        drop(open);
        let file = Connection::open(world.path()).expect("a database");
        file.execute_batch(damage).expect(damage);
        file.execute_batch("UPDATE meta SET value = 1 WHERE name = 'replay_from' AND value > 0")
            .expect(damage);
        drop(file);
        let error = world.try_open(NOON).map(drop).expect_err(damage);
        assert!(matches!(error, LedgerError::Damaged { .. }), "{damage}: {error:?}");
    }
}

#[test]
fn a_path_that_can_t_be_says_so() {
    let world = World::new(every_kind());
    let path = world.path().join("no/such/folder");
    let error = Embedded::open(&path, EmbeddedBounds::default(), set_at).map(drop);
    assert!(matches!(error, Err(LedgerError::Unusable { .. })), "{error:?}");
    assert_eq!(audit(&path), Err(LedgerError::Missing { path }));
}

/// A ledger that may not grow fails like a full disk does. The reservation 1 is held.
async fn fill(world: &World) -> Open {
    let bounds = EmbeddedBounds { max_bytes: Some(200_000), ..EmbeddedBounds::default() };
    let (store, clock) = Embedded::open(&world.path(), bounds, set_at).expect("a ledger");
    let open = Open { store, clock };
    let mut id = 0;
    loop {
        id += 1;
        let who = who("ann");
        let now = open.now();
        let expires = Time::MAX;
        let order = world.policy.order(ReservationId(id), &who, &DEMAND, now, expires);
        if let Err(error) = open.store.reserve(&order, now).await {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            return open;
        }
        if id > 1 && open.store.durable().await.is_ok() {
            open.store.void(ReservationId(id), now).await.expect("voided");
            open.clock.advance(Duration::from_secs(60));
        }
    }
}

#[tokio::test]
async fn a_failed_write_stops_admission_for_good() {
    let world = World::new(every_kind());
    let open = fill(&world).await;
    let is_down =
        |answer: Result<(), StoreError>| matches!(answer, Err(StoreError::Unavailable(_)));
    assert!(is_down(open.store.durable().await), "nothing is acknowledged any more");
    let held = ReservationId(1);
    let ended = open.store.settle(held, &DEMAND, open.now()).await;
    assert!(ended.is_ok(), "what was admitted can end: {ended:?}");
    assert!(is_down(open.store.durable().await), "but that is not on the disk");
    drop(open);

    let bounds = EmbeddedBounds::default();
    let (store, clock) = Embedded::open(&world.path(), bounds, set_at).expect("a ledger");
    assert!(audit(&world.path()).expect("a ledger").is_clean());
    let open = Open { store, clock };
    world.reserve(&open, u128::MAX, "ann").await;
    assert_eq!(open.store.durable().await, Ok(()), "a restart with room goes on");
}
