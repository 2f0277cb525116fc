//! Files that older versions made: they open, and nothing in them is lost.

use rusqlite::Connection;
use tollgate::{
    Store as _,
    core::{Amounts, NanoUsd, ReservationId},
    store::embedded::{LedgerError, SpendQuery, audit, spend},
};

use crate::world::{DEMAND, NOON, World, every_kind};

/// A file as format 1 had it: a request that cost more than its extended reservation, one
/// voided, one settled after it expired, and one that a crash left open.
const FORMAT_1: &str = include_str!("format_1.sql");

/// A file as format 2 had it, after a crash: seven requests that ended, one of them with an
/// overrun, and one that did not.
const FORMAT_2: &str = include_str!("format_2.sql");

/// A file as format 3 had it, after a crash: three requests that ended, two of them in the sums
/// of spend, one that did not, and three grants.
const FORMAT_3: &str = include_str!("format_3.sql");

fn old() -> World {
    made_by(FORMAT_1)
}

fn made_by(format: &str) -> World {
    let world = World::new(every_kind());
    let file = Connection::open(world.path()).expect("a database");
    file.execute_batch(format).expect("an older ledger");
    world
}

#[tokio::test]
async fn a_ledger_of_the_first_format_opens_and_goes_on() {
    let world = old();
    let older = LedgerError::Older { path: world.path(), found: 1, known: 4 };
    assert_eq!(audit(&world.path()), Err(older), "it is not read as something else");
    let open = world.open(NOON);
    assert_eq!(open.store.restored().entries, 10);
    assert_eq!(open.store.restored().expired, 1);
    let left = world.remaining(&open, "ann", "spend").await;
    assert_eq!(left, 5_000_000_000 - 600_000_000 - 250_000_000);
    let again = open.store.settle(ReservationId(3), &DEMAND, open.now()).await;
    assert_eq!(again.expect("a receipt").usage.cost, NanoUsd(100_000_000), "ids are known");
    let late = open.store.settle(ReservationId(5), &DEMAND, open.now()).await;
    assert_eq!(late.expect("settled late").usage, DEMAND);
    world.reserve(&open, 6, "ann").await;
    open.store.settle(ReservationId(6), &DEMAND, open.now()).await.expect("settled");
    open.store.durable().await.expect("a disk");
    drop(open);

    let found = audit(&world.path()).expect("a ledger");
    assert!(found.is_clean(), "{:#?}", found.findings);
    let query = SpendQuery::between(NOON, NOON.after(std::time::Duration::from_secs(7_200)));
    let sum = spend(&world.path(), &query).expect("sums");
    let [sum] = sum.as_slice() else { panic!("one row: {sum:?}") };
    assert_eq!(sum.nano_usd, NanoUsd(600_000_000 + 100_000_000 + 2 * 250_000_000));
    assert_eq!((sum.requests, sum.estimated), (4, 0));
    assert_eq!(sum.overrun_nano_usd, NanoUsd(100_000_000));
}

#[tokio::test]
async fn a_ledger_of_the_second_format_opens_and_goes_on() {
    let world = made_by(FORMAT_2);
    let older = LedgerError::Older { path: world.path(), found: 2, known: 4 };
    assert_eq!(audit(&world.path()), Err(older), "it is not read as something else");
    let open = world.open(NOON);
    let restored = open.store.restored();
    assert_eq!((restored.entries, restored.expired), (16, 1));
    let again = open.store.settle(ReservationId(0xbb), &DEMAND, open.now()).await;
    assert_eq!(again.expect("a receipt").usage.output_tokens, 500, "ids are known");
    let at = open.now().wall;
    drop(open);

    let found = audit(&world.path()).expect("a ledger");
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!((found.reservations, found.lost, found.expired), (8, 0, 1));
    let day = std::time::Duration::from_secs(86_400);
    let sum = spend(&world.path(), &SpendQuery::between(at.before(day), at.after(day)));
    let sum = sum.expect("sums").pop().expect("a row");
    assert_eq!((sum.requests, sum.estimated), (8, 1));
    assert_eq!((sum.input_tokens, sum.output_tokens), (12 + 10 + 100, 30 + 500 + 50));
}

#[tokio::test]
async fn a_ledger_of_the_third_format_opens_and_goes_on() {
    let world = made_by(FORMAT_3);
    let older = LedgerError::Older { path: world.path(), found: 3, known: 4 };
    assert_eq!(audit(&world.path()), Err(older), "it is not read as something else");
    let open = world.open(NOON);
    assert_eq!((open.store.restored().entries, open.store.restored().expired), (7, 4));
    world.reserve(&open, 1, "ann").await;
    open.store.settle(ReservationId(1), &DEMAND, open.now()).await.expect("settled");
    let at = open.now().wall;
    drop(open);

    let found = audit(&world.path()).expect("a ledger");
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!((found.reservations, found.lost, found.expired), (8, 3, 4));
    let day = std::time::Duration::from_secs(86_400);
    let sum = spend(&world.path(), &SpendQuery::between(at.before(day), at.after(day)));
    let sum = sum.expect("sums").pop().expect("a row");
    assert_eq!((sum.requests, sum.estimated), (5, 1));
    let Amounts { input_tokens, output_tokens, .. } = DEMAND;
    assert_eq!(sum.input_tokens, 3 * 2 + 26 + input_tokens);
    assert_eq!(sum.output_tokens, 3 * 20 + 250 + output_tokens);
}

#[test]
fn a_ledger_is_brought_up_to_date_whole_or_not_at_all() {
    let world = old();
    let file = Connection::open(world.path()).expect("a database");
    // In the way of what the last step makes.
    file.execute_batch("CREATE TABLE spend (name TEXT)").expect("a table");
    let schema = "SELECT group_concat(sql, ';') FROM sqlite_schema";
    let read = |file: &Connection| file.query_row(schema, [], |row| row.get::<_, String>(0));
    let before = read(&file).expect("a schema");
    let error = world.try_open(NOON).map(drop).expect_err("a table is in the way");
    assert!(error.to_string().contains("spend"), "{error}");
    assert_eq!(read(&file).expect("a schema"), before);
    file.execute_batch("DROP TABLE spend").expect("out of the way");
    drop(file);
    assert!(world.try_open(NOON).is_ok());
}
