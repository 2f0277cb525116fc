//! The rows of a ledger leave it whole and in their order, however many they are.

use tollgate::{
    Store as _,
    core::{Attribute, Decision, ReservationId, Unit},
    store::embedded::Export,
};

use crate::world::{DEMAND, NOON, Open, World, limit, window};

/// Reserves and settles under ids from `from` on.
async fn write(world: &World, open: &Open, from: u128, count: u128) {
    for id in from..from + count {
        let decision = world.reserve(open, id, "ann").await;
        assert!(matches!(decision, Decision::Admit(_)), "{decision:?}");
        open.store.settle(ReservationId(id), &DEMAND, open.now()).await.expect("settled");
    }
    open.store.durable().await.expect("a disk");
}

#[tokio::test]
async fn every_row_leaves_once_while_more_are_written() {
    let world = World::new(vec![limit("all", &[], Unit::Requests, window(1_000_000, 60))]);
    let open = world.open(NOON);
    write(&world, &open, 1, 4_700).await;
    let mut export = Export::open(&world.path(), None, None).expect("a ledger");
    let mut next = 1;
    loop {
        let rows = export.next_rows().expect("a ledger");
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            assert_eq!((row.seq, row.value(&Attribute::User)), (next, Some("ann")));
            next += 1;
        }
        write(&world, &open, u128::from(next) << 64, 10).await;
    }
    assert_eq!(next, 9_401, "those that were there at first");
    assert_eq!(export.progress(), (9_400, 9_400));
}
