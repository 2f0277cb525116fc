//! Sums of what was used: they are what the rows say, whoever asks and whenever.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rusqlite::Connection;
use tollgate::{
    HOLD, Store as _, Tollgate, Verdict,
    core::{Amounts, Attribute, Attributes, Decision, NanoUsd, Policy, ReservationId, Time},
    store::embedded::{
        Bucket, Dimension, LedgerError, MAX_SPEND_ROWS, SpendOrder, SpendQuery, SpendRow, spend,
    },
};

use crate::{
    history::live,
    world::{DEMAND, NOON, Open, World, every_kind, who},
};

const HOUR: Duration = Duration::from_secs(3_600);
/// Three hundred days after noon.
const NEXT_YEAR: Time = Time::from_millis(1_795_262_400_000 + 300 * 86_400_000);

/// Requests, nano-dollars, overrun and estimated requests of each hour and user, added up row
/// by row: the last end of a reservation counts, in the hour of the first.
fn by_hand(world: &World) -> BTreeMap<(i64, String), [i64; 4]> {
    let file = Connection::open(world.path()).expect("a database");
    let mut statement = file
        .prepare(
            "SELECT e.kind, e.reserve_seq, e.wall, e.requests, e.nano_usd, r.user \
            FROM events e JOIN entries r ON r.seq = e.reserve_seq ORDER BY e.seq",
        )
        .expect("rows");
    let mut ends: BTreeMap<i64, ((i64, String), [i64; 4])> = BTreeMap::new();
    let mut rows = statement.query([]).expect("rows");
    while let Some(row) = rows.next().expect("a row") {
        let number = |nth| row.get::<_, i64>(nth).expect("a number");
        let (kind, first, hour) = (number(0), number(1), number(2) / 3_600_000_000_000);
        let (requests, cost) = (number(3), number(4));
        let new = ((hour, row.get(5).expect("a user")), [0; 4]);
        match kind {
            4..=6 => {
                let end = ends.entry(first).or_insert(new);
                end.1 = [requests, cost, 0, if kind == 6 { requests } else { 0 }];
            }
            7 => ends.get_mut(&first).expect("a settlement").1[2] = cost,
            _ => {}
        }
    }
    let mut sums = BTreeMap::new();
    for (key, end) in ends.into_values() {
        let sum: &mut [i64; 4] = sums.entry(key).or_default();
        sum.iter_mut().zip(end).for_each(|(sum, more)| *sum += more);
    }
    sums.retain(|_, sum| *sum != [0; 4]);
    sums
}

fn asked(world: &World) -> BTreeMap<(i64, String), [i64; 4]> {
    let query = SpendQuery {
        bucket: Some(Bucket::Hour),
        group_by: vec![Dimension::User],
        ..SpendQuery::between(NOON, NEXT_YEAR)
    };
    let rows = spend(&world.path(), &query).expect("sums");
    assert!(rows.len() < MAX_SPEND_ROWS);
    let whole = rows.into_iter().map(|row| {
        let hour = row.start.expect("an hour").as_nanos() / 3_600_000_000_000;
        let sums = [row.requests, row.nano_usd.0, row.overrun_nano_usd.0, row.estimated];
        ((hour as i64, row.by[0].clone()), sums.map(|sum| sum as i64))
    });
    whole.filter(|(_, sums)| *sums != [0; 4]).collect()
}

fn rolled(world: &World) -> i64 {
    let file = Connection::open(world.path()).expect("a database");
    let rolled = "SELECT value FROM meta WHERE name = 'rolled'";
    file.query_row(rolled, [], |row| row.get(0)).expect("a number")
}

#[tokio::test]
async fn sums_are_what_the_rows_say() {
    for seed in 0..4 {
        let world = World::new(every_kind());
        let open = live(&world, seed, 1_000).await;
        let by_hand = by_hand(&world);
        assert!(by_hand.len() > 5, "{by_hand:?}");
        assert_eq!(asked(&world), by_hand, "seed {seed}: with {} rolled", rolled(&world));
        idle(&open).await;
        assert!(rolled(&world) > 0, "nothing else is to do");
        assert_eq!(asked(&world), by_hand, "seed {seed}: summed up");
        drop(open);
        assert_eq!(asked(&world), by_hand, "seed {seed}: closed");
    }
}

/// Waits until the writer has summed up everything.
async fn idle(open: &Open) {
    let path = open.store.path().to_path_buf();
    let file = Connection::open(path).expect("a database");
    let is_done = "SELECT value = (SELECT max(seq) FROM events) FROM meta WHERE name = 'rolled'";
    while !file.query_row(is_done, [], |row| row.get::<_, bool>(0)).expect("a flag") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_late_settlement_corrects_what_its_expiry_counted() {
    let world = World::new(every_kind());
    let open = world.open(NOON);
    let used = Amounts { output_tokens: 20, cost: NanoUsd(90_000_000), ..DEMAND };
    let query = SpendQuery::between(NOON, NOON.after(HOUR));
    let sum = || spend(&world.path(), &query).expect("sums");
    for (id, user) in [(1, "ann"), (2, "bob")] {
        world.reserve(&open, id, user).await;
    }
    open.clock.advance(Duration::from_secs(700));
    assert_eq!(open.store.expire(open.now()).await, Ok(2));
    open.store.durable().await.expect("a disk");
    assert_eq!((sum()[0].nano_usd.0, sum()[0].estimated), (500_000_000, 2));
    idle(&open).await;
    assert_eq!((sum()[0].nano_usd.0, sum()[0].estimated), (500_000_000, 2));

    // In another hour than the expiry's: what was counted there is put right there.
    open.clock.advance(2 * HOUR);
    open.store.settle(ReservationId(1), &used, open.now()).await.expect("settled late");
    open.store.void(ReservationId(2), open.now()).await.expect("voided late");
    open.store.durable().await.expect("a disk");
    let right = SpendRow {
        requests: 1,
        input_tokens: 100,
        output_tokens: 20,
        nano_usd: used.cost,
        ..SpendRow::default()
    };
    assert_eq!(sum(), std::slice::from_ref(&right));
    idle(&open).await;
    assert_eq!(sum(), [right]);
    let whole = spend(&world.path(), &SpendQuery::between(NOON, NEXT_YEAR)).expect("sums");
    assert_eq!(whole, sum(), "and nowhere else");
}

#[tokio::test]
async fn a_settlement_by_an_estimate_is_marked() {
    let world = World::new(every_kind());
    let open = world.open(NOON);
    for id in [1, 2] {
        world.reserve(&open, id, "ann").await;
    }
    open.store.settle(ReservationId(1), &DEMAND, open.now()).await.expect("settled");
    let usage = Amounts { requests: 0, ..DEMAND };
    let receipt = open.store.settle_estimated(ReservationId(2), &usage, open.now()).await;
    assert_eq!(receipt.expect("settled").usage, DEMAND, "it counts as any other");
    open.store.durable().await.expect("a disk");
    let query = SpendQuery::between(NOON, NOON.after(HOUR));
    let sum = spend(&world.path(), &query).expect("sums");
    assert_eq!((sum[0].requests, sum[0].estimated), (2, 1));
}

#[tokio::test]
async fn questions_group_filter_order_and_are_bounded() {
    let world = World::new(every_kind());
    let open = world.open(NOON);
    for (id, user) in (1..).zip(["ann", "ann", "bob", "eve", "ann"]) {
        world.reserve(&open, id, user).await;
        let cost = NanoUsd(1_000 * id as u64);
        let used = Amounts { cost, ..DEMAND };
        open.store.settle(ReservationId(id), &used, open.now()).await.expect("settled");
        open.clock.advance(Duration::from_secs(1_800));
    }
    open.store.durable().await.expect("a disk");
    let by = |query: SpendQuery| -> Vec<_> {
        let rows = spend(&world.path(), &query).expect("sums").into_iter();
        rows.map(|row| (row.by.join(","), row.nano_usd.0)).collect()
    };
    let all = SpendQuery {
        group_by: vec![Dimension::User],
        ..SpendQuery::between(NOON, NOON.after(5 * HOUR))
    };
    let pair = |user: &str, cost| (user.to_owned(), cost);
    assert_eq!(by(all.clone()), [pair("ann", 8_000), pair("eve", 4_000), pair("bob", 3_000)]);
    assert_eq!(by(SpendQuery { limit: 1, ..all.clone() }), [pair("ann", 8_000)]);
    let bob = vec![(Dimension::User, "bob".to_owned())];
    assert_eq!(by(SpendQuery { filter: bob.clone(), ..all.clone() }), [pair("bob", 3_000)]);
    let nobody = vec![(Dimension::User, "' OR 1 = 1 --".to_owned())];
    assert_eq!(by(SpendQuery { filter: nobody, ..all.clone() }), []);
    let second = SpendQuery { from: NOON.after(HOUR), to: NOON.after(2 * HOUR), ..all.clone() };
    assert_eq!(by(second), [pair("eve", 4_000), pair("bob", 3_000)]);
    let days = SpendQuery {
        bucket: Some(Bucket::Day),
        order: SpendOrder::Time,
        filter: bob,
        to: NEXT_YEAR,
        ..all.clone()
    };
    let days = spend(&world.path(), &days).expect("sums");
    let midnight = Time::from_nanos(NOON.as_nanos() / 86_400_000_000_000 * 86_400_000_000_000);
    assert_eq!(days[0].start, Some(midnight));
    let ages = SpendQuery { from: Time::ZERO, limit: usize::MAX, ..all };
    assert_eq!(by(ages).len(), 3, "a span without bound is cut to the longest");
}

#[test]
fn questions_of_no_ledger_say_so() {
    let world = World::new(every_kind());
    let query = SpendQuery::between(NOON, NOON);
    let error = spend(&world.path(), &query);
    assert_eq!(error, Err(LedgerError::Missing { path: world.path() }));
}

#[tokio::test]
async fn a_permit_says_whether_its_usage_is_known() {
    let world = World::new(every_kind());
    let Open { store, clock } = world.open(NOON);
    let policy = Policy::new(every_kind()).expect("names differ");
    let gate = Tollgate::new(policy, store, clock, HOLD);
    let ann = who("ann");
    for nth in 0..3 {
        let Ok(Verdict::Admit(permit)) = gate.admit(&ann, &DEMAND).await else {
            panic!("there is room")
        };
        match nth {
            0 => permit.end(Some(DEMAND)),
            1 => permit.end_estimated(DEMAND),
            _ => drop(permit),
        }
    }
    gate.store().durable().await.expect("a disk");
    let query = SpendQuery::between(NOON, NOON.after(HOUR));
    let rows = spend(&world.path(), &query).expect("sums");
    assert_eq!((rows[0].requests, rows[0].estimated), (3, 2));
}

/// Every sum of the table and of the view, in one order. A sum of nothing says nothing.
fn every_sum(world: &World, source: &str) -> Vec<(Vec<String>, Vec<i64>)> {
    let file = Connection::open(world.path()).expect("a database");
    let sql = format!(
        "SELECT hour || '', user, key, team, customer, provider, model, task, tag, \
            sum(requests), sum(input_tokens), sum(output_tokens), sum(nano_usd), sum(millis), \
            sum(overrun_nano_usd), sum(estimated) FROM {source} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9"
    );
    let mut statement = file.prepare(&sql).expect("a table");
    let rows = statement.query_map([], |row| {
        let names = (0..9).map(|nth| row.get(nth)).collect::<Result<_, _>>()?;
        Ok((names, (9..16).map(|nth| row.get(nth)).collect::<Result<Vec<_>, _>>()?))
    });
    let rows = rows.expect("rows").map(|row| row.expect("a row"));
    rows.filter(|(_, sums)| sums.iter().any(|sum| *sum != 0)).collect()
}

#[tokio::test]
async fn what_is_summed_up_while_rows_are_written_is_what_they_say_under_every_name() {
    let world = World::new(every_kind());
    let mut open = world.open(NOON);
    let mut dice = StdRng::seed_from_u64(11);
    for id in 1..400 {
        let mut who = Attributes::new();
        for dimension in Dimension::ALL {
            let value = ["", "a", "b", "of more than twenty-four letters"][dice.random_range(0..4)];
            if !value.is_empty() {
                who.set(Attribute::named(dimension.name()), value);
            }
        }
        let (id, now) = (ReservationId(id), open.now());
        let order = world.policy.order(id, &who, &DEMAND, now, now.time.after(HOUR / 60));
        let Decision::Admit(_) = open.store.reserve(&order, now).await.expect("a store") else {
            open.clock.advance(HOUR / 10);
            continue;
        };
        let used = Amounts {
            millis: dice.random_range(0..9),
            cost: NanoUsd(dice.random_range(0..300_000_000)),
            ..DEMAND
        };
        // Some expire, some of these are ended late, and some by a later process.
        match dice.random_range(0..40) {
            0 => open.clock.advance(HOUR / 20),
            1 => {
                drop(open);
                open = world.open(now.time);
            }
            2..10 => drop(open.store.settle_estimated(id, &used, open.now()).await),
            10..14 => drop(open.store.void(id, open.now()).await),
            14..18 => drop(open.store.settle(ReservationId(id.0 / 2), &used, open.now()).await),
            _ => drop(open.store.settle(id, &used, open.now()).await.expect("settled")),
        }
    }
    open.store.durable().await.expect("a disk");
    idle(&open).await;
    let sums = every_sum(&world, "spend");
    assert!(sums.len() > 100, "{}", sums.len());
    assert_eq!(sums, every_sum(&world, "spent"));
}
