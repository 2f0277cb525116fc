//! What a crash left is released, kept or settled, once, and every sum stays even.

use std::time::Duration;

use tollgate::{
    Clock, Store as _,
    core::{Amounts, Decision, NanoUsd, ReservationId, Time},
    store::embedded::{
        LedgerError, Reconciled, Resolution, SpendQuery, SpendRow, reconcile, spend,
    },
};

use crate::world::{DEMAND, NOON, World, every_kind};

const USED: Amounts = Amounts { output_tokens: 20, cost: NanoUsd(100_000_000), ..DEMAND };

/// What a crash leaves after ten reservations, one of them settled; with every kind of row.
async fn crashed() -> World {
    let world = World::new(every_kind());
    let open = world.open(NOON);
    for id in 1..=10 {
        // Each has a user of its own, so that nobody is refused, and slots are few.
        let decision = world.reserve(&open, id, &format!("user-{id}")).await;
        assert!(matches!(decision, Decision::Admit(_)), "{decision:?}");
        match id {
            1 => drop(open.store.settle(ReservationId(id), &USED, open.now()).await),
            2 => drop(open.store.extend(ReservationId(id), &USED, open.now()).await),
            _ => {}
        }
        open.store.expire(open.clock.now()).await.expect("a store that answers");
        open.clock.advance(Duration::from_secs(1_900));
    }
    open.store.durable().await.expect("a disk");
    world.crashed()
}

fn run(world: &World, at: Time, decide: impl FnMut(u128) -> Resolution) -> Reconciled {
    let mut decide = decide;
    let clock = |floor: Time| Clock::set_at(at.max(floor));
    let done = reconcile(&world.path(), clock, |id, _| decide(id.0)).expect("a ledger");
    for audit in [&done.before, &done.after] {
        assert!(audit.is_clean(), "{:#?}", audit.findings);
        assert!(audit.limits.iter().all(|limit| limit.balance.is_even()));
    }
    done
}

fn spent(world: &World, at: Time) -> SpendRow {
    let all = SpendQuery::between(NOON, at.after(Duration::from_secs(3600)));
    spend(&world.path(), &all).expect("a ledger").pop().expect("something was spent")
}

/// What of dollars nobody resolved, and what was settled, in nano-dollars.
fn unresolved(audit: &tollgate::store::embedded::Audit) -> (u64, u64) {
    let all = audit.limits.iter().find(|limit| limit.limit == "all").expect("its name").balance;
    (all.expired + all.held, all.settled)
}

#[tokio::test]
async fn what_a_crash_left_is_resolved_once() {
    // Within a day, and when the store has long forgotten what nobody ended.
    for later in [2, 24 * 3600, 40 * 24 * 3600] {
        let world = crashed().await;
        let at = NOON.after(Duration::from_secs(19_000 + later));
        // A process that ran meanwhile, and forgot.
        drop(world.open(at));
        drop(world.open(at.after(Duration::from_secs(1))));
        let decide = |id: u128| match id {
            2 => Resolution::Settle(USED),
            3 => Resolution::Release,
            4 => Resolution::Leave,
            _ => Resolution::Keep,
        };
        let before = spent(&world, at);
        let done = run(&world, at, decide);
        assert_eq!((done.settled, done.released, done.kept), (1, 1, 6), "{later} s later");
        let one = DEMAND.cost.0;
        assert_eq!(unresolved(&done.before), (9 * one + USED.cost.0, USED.cost.0));
        assert_eq!(unresolved(&done.after), (one, 2 * USED.cost.0 + 6 * one), "{later} s later");
        let after = spent(&world, at);
        assert_eq!(before.nano_usd.0 - after.nano_usd.0, 2 * one, "back: all of 3, and of 2");
        assert_eq!((before.estimated, after.estimated), (10, 7), "2 had asked for two");

        let again =
            run(&world, at, |id| if id == 4 { Resolution::Leave } else { Resolution::Release });
        assert_eq!((again.resolved(), again.after), (0, done.after));
        let rest = run(&world, at, |_| Resolution::Release);
        assert_eq!((rest.resolved(), rest.after.outstanding), (1, 0));
    }
}

#[tokio::test]
async fn accounts_move_with_the_rows() {
    let world = crashed().await;
    let at = NOON.after(Duration::from_secs(19_100));
    run(&world, at, |id| if id == 2 { Resolution::Settle(USED) } else { Resolution::Release });
    let open = world.open(at);
    assert_eq!(open.store.restored().expired, 0);
    assert_eq!(world.remaining(&open, "user-3", "spend").await, 5_000_000_000);
    assert_eq!(world.remaining(&open, "user-2", "spend").await, 5_000_000_000 - USED.cost.0);
    assert_eq!(world.remaining(&open, "user-2", "all").await, 100_000_000_000 - 2 * USED.cost.0);
    // Whoever held it and comes back late is answered with what was decided.
    let late = open.store.settle(ReservationId(3), &USED, open.now()).await.expect("a receipt");
    assert_eq!(late.usage, Amounts::default());
}

#[tokio::test]
async fn an_open_ledger_is_left_alone() {
    let world = World::new(every_kind());
    let missing = reconcile(&world.path(), Clock::set_at, |_, _| Resolution::Keep);
    assert!(matches!(missing, Err(LedgerError::Missing { .. })), "{missing:?}");
    assert!(!world.path().exists());
    let open = world.open(NOON);
    let refused = reconcile(&world.path(), Clock::set_at, |_, _| Resolution::Keep);
    assert!(matches!(refused, Err(LedgerError::InUse { .. })), "{refused:?}");
    drop(open);
}
