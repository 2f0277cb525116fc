//! What comes back after a restart.

use std::time::Duration;

use tollgate::{
    Receipt, Store as _,
    core::{Amounts, Decision, NanoUsd, ReservationId, Standing},
};

use crate::{
    history::live,
    world::{DEMAND, NOON, World, every_kind, is_long},
};

const USED: Amounts = Amounts { output_tokens: 20, cost: NanoUsd(100_000_000), ..DEMAND };

#[tokio::test]
async fn settled_accounts_stand_where_they_stood() {
    let world = World::new(every_kind());
    let open = world.open(NOON);
    for (id, user) in [(1, "ann"), (2, "ann"), (3, "bob")] {
        let decision = world.reserve(&open, id, user).await;
        assert!(matches!(decision, Decision::Admit(_)), "{decision:?}");
        open.store.settle(ReservationId(id), &USED, open.now()).await.expect("settled");
        open.clock.advance(Duration::from_secs(1));
    }
    let before = [world.standings(&open, "ann").await, world.standings(&open, "bob").await];
    let at = open.now().time;
    drop(open);

    let open = world.open(at);
    let after = [world.standings(&open, "ann").await, world.standings(&open, "bob").await];
    assert_eq!(after, before);
    assert_eq!(open.store.restored().expired, 0);
}

#[tokio::test]
async fn what_nobody_ended_expires_and_can_be_settled_late() {
    let world = World::new(every_kind());
    let open = world.open(NOON);
    world.reserve(&open, 1, "ann").await;
    open.store.durable().await.expect("a disk");
    drop(open);

    let open = world.open(NOON.after(Duration::from_secs(5)));
    assert_eq!(open.store.restored().expired, 1);
    assert_eq!(world.remaining(&open, "ann", "slots").await, 4, "its slot is free");
    assert_eq!(world.remaining(&open, "ann", "spend").await, 4_750_000_000, "its money is not");
    assert_eq!(world.remaining(&open, "ann", "seats").await, 1, "its session lives on");

    let receipt = open.store.settle(ReservationId(1), &USED, open.now()).await.expect("settled");
    assert_eq!(receipt, Receipt { usage: USED, overrun: Amounts::default() });
    assert_eq!(world.remaining(&open, "ann", "spend").await, 4_900_000_000);
    drop(open);

    let open = world.open(NOON.after(Duration::from_secs(9)));
    assert_eq!(world.remaining(&open, "ann", "spend").await, 4_900_000_000);
    let again = open.store.settle(ReservationId(1), &Amounts::default(), open.now()).await;
    assert_eq!(again, Ok(receipt), "an id settles once, also across restarts");
}

#[tokio::test]
async fn a_total_is_remembered_for_years_of_silence() {
    let world = World::new(every_kind());
    let open = world.open(NOON);
    world.reserve(&open, 1, "ann").await;
    open.store.settle(ReservationId(1), &USED, open.now()).await.expect("settled");
    drop(open);
    for year in 1..4 {
        let open = world.open(NOON.after(Duration::from_secs(year * 366 * 86_400)));
        open.store.expire(open.now()).await.expect("a store that answers");
        assert_eq!(world.remaining(&open, "ann", "spend").await, 5_000_000_000);
        assert_eq!(world.remaining(&open, "ann", "ever").await, 899_900_000_000);
    }
}

#[tokio::test]
async fn a_crash_changes_nothing_that_was_durable() {
    for seed in 0..if is_long() { 400 } else { 8 } {
        let world = World::new(every_kind());
        let open = live(&world, seed, 400).await;
        let crashed = world.crashed();
        let again = crashed.open(open.now().time);
        assert_eq!(again.store.restored().expired, 0, "everything has ended");
        for user in ["ann", "bob", "eve"] {
            // An account of which nothing is taken may be forgotten, and has no reset then.
            let used = |standing: &Standing| standing.remaining < standing.cap;
            let mut before = world.standings(&open, user).await;
            let mut after = crashed.standings(&again, user).await;
            before.retain(used);
            after.retain(used);
            assert_eq!(after, before, "seed {seed}: {user}");
        }
    }
}
