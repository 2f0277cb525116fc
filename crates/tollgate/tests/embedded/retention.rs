//! What is old becomes sums: nothing that counts changes, and the file is bounded.

use std::time::Duration;

use rusqlite::Connection;
use tollgate::{
    Store as _,
    core::{Amounts, Decision, ReservationId, Unit},
    store::embedded::{Audit, Export, SpendQuery, SpendRow, audit, spend},
};

use crate::{
    history::live,
    world::{DEMAND, NOON, World, daily, every_kind, is_long, limit, total},
};

const TWO_DAYS: Duration = Duration::from_secs(2 * 86_400);

fn keeping(retention: Option<Duration>) -> World {
    World::new(every_kind()).keeping(retention)
}

fn rows(world: &World) -> i64 {
    let file = Connection::open(world.path()).expect("a database");
    file.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).expect("a count")
}

/// What an audit says of all that ever was.
fn sums(
    found: &Audit,
) -> (u64, u64, Amounts, Amounts, Vec<tollgate::store::embedded::LimitBalance>) {
    assert!(found.is_clean(), "{:#?}", found.findings);
    let rows = found.entries + found.compacted;
    (rows, found.reservations, found.settled, found.overrun, found.limits.clone())
}

fn spent(world: &World) -> Vec<SpendRow> {
    let month = Duration::from_secs(60 * 86_400);
    let query = SpendQuery::between(NOON.before(Duration::from_secs(86_400)), NOON.after(month));
    spend(&world.path(), &query).expect("sums")
}

#[tokio::test]
async fn the_same_history_adds_up_the_same() {
    for seed in 0..if is_long() { 60 } else { 2 } {
        let (all, bounded) = (keeping(None), keeping(Some(TWO_DAYS)));
        let mut ends = Vec::new();
        for world in [&all, &bounded] {
            let open = live(world, seed, 2_500).await;
            ends.push((
                open.now(),
                [world.standings(&open, "ann").await, world.standings(&open, "bob").await],
            ));
            drop(open);
        }
        assert_eq!(ends[0], ends[1], "seed {seed}: no account knows of it");
        let found = [&all, &bounded].map(|world| audit(&world.path()).expect("a ledger"));
        assert_eq!(found[0].compacted, 0);
        assert!(found[1].compacted > 300, "seed {seed}: {:?}", found[1].compacted);
        assert_eq!(sums(&found[0]), sums(&found[1]), "seed {seed}");
        assert_eq!(spent(&all), spent(&bounded), "seed {seed}");

        // The bounded one opens again with all that it had.
        let at = ends[1].0.time;
        let open = bounded.open(at);
        assert_eq!(ends[1].1[0], bounded.standings(&open, "ann").await);
        drop(open);
        let mut export = Export::open(&bounded.path(), None, None).expect("a ledger");
        let mut exported = 0;
        while let rows @ 1.. = export.next_rows().expect("rows").len() as i64 {
            exported += rows;
        }
        assert_eq!(exported, rows(&bounded), "what is there leaves");
    }
}

#[tokio::test]
async fn months_of_traffic_take_the_room_of_days() {
    let world = World::new(vec![
        limit("spend", &[], Unit::Usd, daily(1_000_000_000_000)),
        limit("ever", &[], Unit::Usd, total(50_000_000_000)),
    ])
    .keeping(Some(TWO_DAYS));
    let mut open = world.open(NOON);
    let mut most = 0;
    let mut id = 0;
    for day in 1..=40 {
        for _ in 0..50 {
            id += 1;
            if let Decision::Admit(_) = world.reserve(&open, id, "ann").await {
                open.store.settle(ReservationId(id), &DEMAND, open.now()).await.expect("settled");
            }
        }
        open.clock.advance(Duration::from_secs(86_400));
        open.store.expire(open.now()).await.expect("a store that answers");
        let at = open.now().time;
        drop(open);
        most = most.max(rows(&world));
        open = world.open(at);
        let left = world.remaining(&open, "ann", "ever").await;
        let used = (day * 50 * DEMAND.cost.0).min(50_000_000_000);
        assert_eq!(left, 50_000_000_000 - used, "a total is exact for ever");
    }
    // Each day has a hundred rows; three and the day that is under way are kept.
    assert!(most <= 500, "{most} rows at most");
    let at = open.now().time;
    // An id of long ago is no id of anything: it is not charged twice.
    let again = open.store.settle(ReservationId(1), &DEMAND, open.now()).await;
    assert!(again.is_err(), "{again:?}");
    drop(open);

    let found = audit(&world.path()).expect("a ledger");
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!(found.settled.cost.0, 50_000_000_000, "every cent of it is told");
    let file = Connection::open(world.path()).expect("a database");
    let hours: i64 = file
        .query_row("SELECT count(DISTINCT hour) FROM spend", [], |row| row.get(0))
        .expect("hours");
    assert!(hours <= 41, "old hours are days: {hours}");
    let query = SpendQuery::between(NOON.before(Duration::from_secs(86_400)), at);
    let told = spend(&world.path(), &query).expect("sums").pop().expect("a row");
    assert_eq!(told.nano_usd.0, 50_000_000_000);
}

#[tokio::test]
async fn what_has_not_ended_keeps_its_rows() {
    let world = keeping(Some(TWO_DAYS));
    let open = world.open(NOON);
    world.reserve(&open, 1, "ann").await;
    let far = NOON.after(Duration::from_secs(30 * 86_400));
    open.store.renew(ReservationId(1), far, open.now()).await.expect("renewed");
    for day in 0..10 {
        for nth in 0..100 {
            let id = 10 + day * 100 + nth;
            world.reserve(&open, id, "bob").await;
            let _ = open.store.settle(ReservationId(id), &DEMAND, open.now()).await;
        }
        open.clock.advance(Duration::from_secs(86_400));
    }
    open.store.durable().await.expect("a disk");
    let at = open.now().time;
    drop(open);
    let before = audit(&world.path()).expect("a ledger");
    assert!(before.is_clean() && before.compacted > 10, "{before:#?}");
    assert_eq!(before.outstanding, 1);

    let open = world.open(at);
    assert_eq!(open.store.restored().expired, 1);
    let receipt = open.store.settle(ReservationId(1), &DEMAND, open.now()).await;
    assert_eq!(receipt.expect("it is known").usage, DEMAND);
    drop(open);
    let found = audit(&world.path()).expect("a ledger");
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!(found.outstanding, 0);
}

#[tokio::test]
async fn an_audit_misses_what_was_taken_from_the_sums() {
    let whole = keeping(Some(TWO_DAYS));
    drop(live(&whole, 1, 2_500).await);
    for sql in [
        "UPDATE summaries SET settled = settled - 1 WHERE settled > 0",
        "UPDATE totals SET count = count - 1 WHERE kind = 1",
        "DELETE FROM entries WHERE seq = (SELECT min(seq) FROM entries WHERE seq > \
            (SELECT value FROM meta WHERE name = 'compacted') + 3)",
    ] {
        let world = keeping(None);
        std::fs::copy(whole.path(), world.path()).expect("a copy");
        let file = Connection::open(world.path()).expect("a database");
        assert!(file.execute(sql, []).expect(sql) > 0, "{sql} changes something");
        drop(file);
        assert!(!audit(&world.path()).expect("a ledger").is_clean(), "{sql}");
    }
}
