//! One reservation is found by its id, with its accounts and where these stood before it.

use std::time::Duration;

use proptest::test_runner::TestRunner;
use tollgate::{
    Store as _,
    core::{Amounts, Attribute, Decision, NanoUsd, ReservationId, Standing, Unit},
    new_id,
    store::embedded::{AccountCharge, LedgerError, ReservationRow, lookup},
};

use crate::world::{DEMAND, NOON, Open, World, daily, every_kind, limit, window};

async fn held(world: &World, open: &Open, id: u128, user: &str) {
    let decision = world.reserve(open, id, user).await;
    assert!(matches!(decision, Decision::Admit(_)), "{decision:?}");
}

fn found(world: &World, id: u128) -> Vec<ReservationRow> {
    lookup(&world.path(), ReservationId(id), true).expect("a ledger")
}

fn of<'a>(row: &'a ReservationRow, limit: &str) -> &'a AccountCharge {
    row.charges.iter().find(|charge| charge.limit == limit).expect("a charge")
}

#[tokio::test]
async fn a_reservation_is_told_from_its_beginning_to_its_end() {
    let world = World::new(every_kind());
    let open = world.open(NOON);
    held(&world, &open, 1, "ann").await;
    held(&world, &open, 2, "bob").await;
    open.store.settle(ReservationId(1), &DEMAND, open.now()).await.expect("settled");
    open.store.durable().await.expect("a disk");
    held(&world, &open, 3, "ann").await;
    open.store.durable().await.expect("a disk");
    let more = Amounts { cost: NanoUsd(1_000), ..Amounts::default() };
    open.store.extend(ReservationId(3), &more, open.now()).await.expect("an answer");
    open.clock.advance(Duration::from_secs(2));
    let used = Amounts { cost: NanoUsd(70_000_000), ..DEMAND };
    open.store.settle(ReservationId(3), &used, open.now()).await.expect("settled");
    open.store.durable().await.expect("a disk");

    let rows = found(&world, 3);
    let kinds: Vec<&str> = rows.iter().map(|row| row.row.kind).collect();
    assert_eq!(kinds, ["reserve", "extend", "settle"]);
    assert!(rows.iter().all(|row| row.row.value(&Attribute::User) == Some("ann")));
    let spend = of(&rows[0], "spend");
    assert_eq!(spend.account, [("user".to_owned(), "ann".to_owned())]);
    assert_eq!((spend.unit, spend.cap, spend.shadow), (Unit::Usd, 5_000_000_000, false));
    assert_eq!((spend.held, spend.used, spend.before), (250_000_000, None, Some(250_000_000)));
    // What others hold of a common budget counts as well.
    assert_eq!(of(&rows[0], "all").before, Some(500_000_000));
    assert_eq!(of(&rows[0], "all").account, []);
    assert_eq!(of(&rows[0], "minute").before, Some(1));
    assert_eq!(of(&rows[0], "slots").before, None, "nothing counts what is held for a while");
    assert_eq!(of(&rows[2], "spend").used, Some(70_000_000));
    assert!(rows[0].expires.is_some() && rows[2].expires.is_none());
    assert!(of(&rows[0], "minute").allows.contains("10"), "{rows:?}");
}

#[tokio::test]
async fn a_short_one_has_both_its_ends_though_it_has_one_row() {
    let world = World::new(vec![limit("all", &[], Unit::Requests, window(10, 60))]);
    let open = world.open(NOON);
    for id in 1..=3 {
        held(&world, &open, id, "ann").await;
        open.store.settle(ReservationId(id), &DEMAND, open.now()).await.expect("settled");
    }
    open.store.durable().await.expect("a disk");
    let rows = found(&world, 3);
    let kinds: Vec<&str> = rows.iter().map(|row| row.row.kind).collect();
    assert_eq!(kinds, ["reserve", "settle"]);
    assert_eq!((rows[0].charges[0].before, rows[1].charges[0].used), (Some(2), Some(1)));
}

#[tokio::test]
async fn an_id_that_tells_its_time_is_found_also_where_the_clock_was_set() {
    let world = World::new(vec![limit("all", &[], Unit::Requests, window(1_000_000, 60))]);
    let open = world.open(NOON);
    let mut ids = Vec::new();
    for nth in 0..300 {
        let id = new_id(open.now().wall).0;
        // Of every tenth the clock that made the id was a day ahead, or behind.
        let id = match nth % 10 {
            8 => id + (86_400_000 << 80),
            9 => id - (86_400_000 << 80),
            _ => id,
        };
        held(&world, &open, id, "ann").await;
        open.clock.advance(Duration::from_secs(61));
        ids.push(id);
    }
    open.store.durable().await.expect("a disk");
    for (nth, id) in ids.into_iter().enumerate() {
        let rows = found(&world, id);
        assert_eq!(rows.first().map(|row| row.row.kind), Some("reserve"), "{id:032x}");
        // Who does not search everything misses those that say that they are of tomorrow.
        let near = lookup(&world.path(), ReservationId(id), false).expect("a ledger");
        assert_eq!(near.is_empty(), nth % 10 == 8, "{id:032x}");
    }
    assert_eq!(found(&world, 7), []);
    assert_eq!(found(&world, new_id(NOON).0), []);
}

#[test]
fn where_an_account_stood_is_what_the_store_said_then() {
    // Without slots and buckets, whose standing is not counted from rows.
    let limits = || {
        vec![
            limit("minute", &[Attribute::User], Unit::Requests, window(1_000, 60)),
            limit("spend", &[Attribute::User], Unit::Usd, daily(900_000_000_000)),
            limit("all", &[], Unit::Tokens, daily(900_000_000)),
        ]
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cases = proptest::test_runner::Config::with_cases(12);
    let steps = proptest::collection::vec((0_u8..5, 0_u8..3, 0_u64..300_000_000), 1..40);
    TestRunner::new(cases)
        .run(&steps, |steps| {
            runtime.block_on(async {
                let world = World::new(limits());
                let open = world.open(NOON);
                let (mut running, mut told) = (Vec::new(), Vec::new());
                for (nth, (step, user, cost)) in (1_u128..).zip(steps) {
                    let used = Amounts { cost: NanoUsd(cost), ..DEMAND };
                    match step {
                        0 => open.store.durable().await.expect("a disk"),
                        1 if !running.is_empty() => {
                            let id = running.remove(0);
                            open.store.settle(id, &used, open.now()).await.expect("settled");
                        }
                        2 if !running.is_empty() => {
                            let id = running.remove(0);
                            open.store.void(id, open.now()).await.expect("voided");
                        }
                        _ => {
                            let user = ["ann", "bob", "cid"][usize::from(user)];
                            let before = world.standings(&open, user).await;
                            held(&world, &open, nth, user).await;
                            running.push(ReservationId(nth));
                            told.push((nth, before));
                        }
                    }
                }
                open.store.durable().await.expect("a disk");
                for (id, before) in told {
                    let rows = found(&world, id);
                    for charge in &rows[0].charges {
                        let limit = world.policy.limits().iter().find(|it| it.name == charge.limit);
                        let limit = limit.expect("a limit").id;
                        let standing: &Standing =
                            before.iter().find(|it| it.limit == limit).expect("it stood");
                        assert_eq!(
                            charge.before,
                            Some(standing.cap - standing.remaining),
                            "{} of {id}",
                            charge.limit
                        );
                    }
                }
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_ledger_that_is_not_there_is_said_to_be_missing() {
    let world = World::new(Vec::new());
    let error = lookup(&world.path(), ReservationId(1), true).expect_err("nothing");
    assert!(matches!(error, LedgerError::Missing { .. }), "{error}");
}
