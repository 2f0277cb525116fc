//! What a process had written to its redo file when it was killed is in the ledger after it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use proptest::prelude::*;
use tollgate::{
    Clock, Embedded, Store as _, StoreError,
    core::{Attribute, Demand, NanoUsd, ReservationId, Standing, Time, Unit},
    store::embedded::{
        Dimension, EmbeddedBounds, Export, Resolution, SpendOrder, SpendQuery, audit, reconcile,
        spend,
    },
};

use crate::{
    history::live_and_go,
    world::{DEMAND, NOON, Open, World, daily, every_kind, is_long, limit, total, who},
};

const LEDGER: &str = "TOLLGATE_REDO_LEDGER";
/// What the child leaves of the user's budget.
const LEFT: u64 = 5_000_000_000_000 - 100 * DEMAND.cost.0;
const CAP: u64 = 1_000_000_000;
const USERS: [&str; 3] = ["ann", "bob", "eve"];

/// A world in which nothing goes to the ledger until somebody waits for it.
fn lazy(world: World) -> World {
    world.committing_after(u32::MAX)
}

fn redo(ledger: &Path) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push("-redo");
    name.into()
}

/// Settles that many requests of a user under ids from there on.
async fn settle(world: &World, open: &Open, ids: std::ops::Range<u128>) {
    for id in ids {
        world.reserve(open, id, "ann").await;
        open.store.settle(ReservationId(id), &DEMAND, open.now()).await.expect("settled");
    }
}

fn money() -> World {
    lazy(World::new(vec![limit("spend", &[Attribute::User], Unit::Usd, daily(5_000_000_000_000))]))
}

/// How many entries a ledger has.
fn entries(world: &World) -> u64 {
    audit(&world.path()).expect("a ledger").entries
}

/// Not a test of its own: the process that is killed, which never commits by itself.
#[tokio::test]
async fn child() {
    let Some(ledger) = std::env::var_os(LEDGER) else { return };
    let bounds =
        EmbeddedBounds { max_grants: 0, groups_per_commit: u32::MAX, ..EmbeddedBounds::default() };
    let opened = Embedded::open(ledger.as_ref(), bounds, |_| Clock::set_at(NOON));
    let (store, clock) = opened.expect("a ledger");
    let (world, open) = (money(), Open { store, clock });
    for ids in [0..30, 30..60, 60..100] {
        settle(&world, &open, ids).await;
        // All but the last are in the ledger then, and the file begins anew.
        open.store.kept().await.expect("a disk");
        if world.remaining(&open, "ann", "spend").await > LEFT {
            open.store.durable().await.expect("a disk");
        }
    }
    // Somebody whose account no row before tells of.
    world.reserve(&open, 100, "bob").await;
    open.store.kept().await.expect("a disk");
    std::io::stderr().write_all(b"kept\n").expect("a pipe");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_is_kept_survives_a_kill() {
    let world = money();
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "redo::child", "--nocapture"])
        .env(LEDGER, world.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    assert_eq!(lines.next().expect("the child goes on").expect("a pipe"), "kept");
    child.kill().expect("a kill");
    child.wait().expect("an end");

    let open = world.open(NOON);
    assert_eq!(open.store.restored().entries, 201, "a hundred ended, and one more begun");
    assert_eq!(world.remaining(&open, "ann", "spend").await, LEFT);
    let again = open.store.settle(ReservationId(7), &DEMAND, open.now()).await;
    assert_eq!(again.expect("its receipt").usage, DEMAND, "an id settles once");
    world.reserve(&open, 101, "eve").await;
    open.store.durable().await.expect("a new account has a number of its own");
    drop(open);
    let found = audit(&world.path()).expect("a ledger");
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert!(!redo(&world.path()).exists(), "a stop leaves no redo file");
}

/// Where those accounts of a user stand of which anything is taken. Others may be forgotten.
async fn in_use(world: &World, open: &Open, user: &str) -> Vec<Standing> {
    let mut standings = world.standings(open, user).await;
    standings.retain(|standing| standing.remaining < standing.cap);
    standings
}

/// Everything that a ledger's rows tell.
fn rows(world: &World) -> Vec<String> {
    let mut export = Export::open(&world.path(), None, None).expect("a ledger");
    let mut rows = Vec::new();
    loop {
        let some = export.next_rows().expect("rows");
        if some.is_empty() {
            return rows;
        }
        rows.extend(some.iter().map(|row| format!("{row:?}")));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if is_long() { 2_000 } else { 24 }))]

    /// After a crash, the ledger and its accounts are what they would be without one.
    #[test]
    fn a_crash_changes_nothing_that_was_kept(seed in any::<u64>(), commits in 0_u32..4) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            // Transactions in the middle of everything, or hardly any.
            let rhythm = [u32::MAX, 40, 3, 1][commits as usize];
            let world = World::new(every_kind()).committing_after(rhythm);
            let open = live_and_go(&world, seed, 120).await;
            open.store.kept().await.expect("a disk");
            let (crashed, looked_at) = (world.crashed(), world.crashed());
            let at = open.now().time;

            let again = crashed.open(at);
            for user in USERS {
                let before = in_use(&world, &open, user).await;
                prop_assert_eq!(in_use(&crashed, &again, user).await, before);
            }
            drop((open, again));
            let told = rows(&world);
            prop_assert_eq!(&rows(&crashed), &told);
            prop_assert_eq!(&rows(&looked_at), &told, "who reads a ledger meets what was left");
            let found = audit(&crashed.path()).expect("a ledger");
            prop_assert!(found.is_clean(), "{:#?}", found.findings);
            Ok(())
        })?;
    }

    /// A redo file that is cut off or damaged anywhere is read up to there.
    #[test]
    fn a_torn_file_is_read_up_to_the_tear(at in any::<prop::sample::Index>(), flip in any::<u8>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let world = money();
            let open = world.open(NOON);
            settle(&world, &open, 0..5).await;
            drop(open);
            let open = world.open(NOON);
            let mut kept = vec![(0, 10)];
            for last in [8, 10, 15] {
                settle(&world, &open, last - 2..last).await;
                open.store.kept().await.expect("a disk");
                let end = std::fs::metadata(redo(&world.path())).expect("a redo file").len();
                kept.push((end, kept.last().expect("some").1 + 4));
            }
            let crashed = world.crashed();
            let mut bytes = std::fs::read(redo(&crashed.path())).expect("a redo file");
            let at = at.index(bytes.len());
            if flip == 0 { bytes.truncate(at) } else { bytes[at] ^= flip }
            std::fs::write(redo(&crashed.path()), &bytes).expect("a torn file");

            let (_, least) = kept.iter().rev().find(|(end, _)| *end <= at as u64).expect("0");
            let again = crashed.open(NOON);
            let entries = again.store.restored().entries;
            prop_assert!((*least..22).contains(&entries), "{entries} of 22, at least {least}");
            drop(again);
            let found = audit(&crashed.path()).expect("a ledger");
            prop_assert!(found.is_clean(), "{:#?}", found.findings);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_file_that_does_not_follow_the_ledger_is_passed_over() {
    let world = money();
    let open = world.open(NOON);
    settle(&world, &open, 0..5).await;
    open.store.kept().await.expect("a disk");
    let crashed = world.crashed();
    let left = std::fs::read(redo(&crashed.path())).expect("a redo file");

    // Somebody who knows nothing of such files, or does not have this one, goes on meanwhile.
    std::fs::remove_file(redo(&crashed.path())).expect("removed");
    let other = crashed.open(NOON);
    settle(&crashed, &other, 20..22).await;
    drop(other);
    std::fs::write(redo(&crashed.path()), &left).expect("put back");
    assert_eq!(entries(&crashed), 4);

    // What is in the ledger already is not written again.
    drop(open);
    std::fs::write(redo(&world.path()), &left).expect("put back");
    let again = world.open(NOON);
    assert_eq!(again.store.restored().entries, 10);
    settle(&world, &again, 5..6).await;
    drop(again);
    assert_eq!(entries(&world), 12);
}

#[tokio::test]
async fn who_reads_a_ledger_meets_what_was_left() {
    let world = money();
    let open = world.open(NOON);
    settle(&world, &open, 0..5).await;
    open.store.kept().await.expect("a disk");
    let query = SpendQuery {
        from: Time::ZERO,
        to: NOON.after(Duration::from_secs(86_400)),
        bucket: None,
        group_by: vec![Dimension::User],
        filter: Vec::new(),
        order: SpendOrder::Cost,
        limit: 10,
    };
    assert_eq!(spend(&world.path(), &query), Ok(Vec::new()), "they are the process's, which runs");
    assert!(redo(&world.path()).exists());

    let crashed = world.crashed();
    let rows = spend(&crashed.path(), &query).expect("a ledger");
    assert_eq!(rows[0].nano_usd.0, 5 * DEMAND.cost.0);
    assert!(!redo(&crashed.path()).exists(), "it is in the ledger now");

    let crashed = world.crashed();
    let clock = |floor: Time| Clock::set_at(NOON.max(floor));
    let done = reconcile(&crashed.path(), clock, |_, _| Resolution::Leave).expect("a ledger");
    assert_eq!(done.before.entries, 10);
}

#[test]
fn a_redo_file_that_cannot_be_read_stops_the_start() {
    let world = money();
    std::fs::create_dir(redo(&world.path())).expect("something that is no file");
    std::fs::write(redo(&world.path()).join("any"), "").expect("something in it");
    let error = world.try_open(NOON).err().expect("an error").to_string();
    assert!(error.contains("tollgate.db-redo") && error.contains("directory"), "{error}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_a_redo_file_each_group_is_a_transaction() {
    let world = money();
    std::os::unix::fs::symlink("/dev/full", redo(&world.path())).expect("a link");
    let open = world.open(NOON);
    settle(&world, &open, 0..5).await;
    open.store.kept().await.expect("the ledger's disk is well");
    let [from, to] = [world.path(), world.path().with_extension("copy")];
    for end in ["", "-wal"] {
        let name = |path: &Path| format!("{}{end}", path.display());
        std::fs::copy(name(&from), name(&to)).expect("a copy");
    }
    assert_eq!(audit(&to).expect("a ledger").entries, 10, "it is in SQLite's files");
}

/// A grant in the redo file is none after a loss of power, so nothing is let go on it.
#[tokio::test]
async fn what_was_let_go_counts_without_the_redo_file() {
    let world = World::new(vec![limit("spend", &[Attribute::User], Unit::Usd, total(CAP))]);
    let lazy = EmbeddedBounds { groups_per_commit: u32::MAX, ..EmbeddedBounds::default() };
    let opened = Embedded::open(&world.path(), lazy, |_| Clock::set_at(NOON));
    let (store, clock) = opened.expect("a ledger");
    let (open, demand) = (Open { store, clock }, Demand { cost: NanoUsd(1_000), ..DEMAND });
    for nth in 1..200_u128 {
        let (who, now) = (who("ann"), open.now());
        let expires = now.time.after(Duration::from_secs(600));
        let order = world.policy.order(ReservationId(nth), &who, &demand, now, expires);
        open.store.reserve(&order, now).await.expect("a store that answers");
        if nth.is_multiple_of(3) {
            open.store.kept().await.expect("a disk");
        }
        open.store.held(ReservationId(nth)).await.expect("a disk");
        if nth.is_multiple_of(7) {
            let crashed = world.crashed();
            std::fs::remove_file(redo(&crashed.path())).expect("removed");
            let again = crashed.open(NOON);
            let left = crashed.remaining(&again, "ann", "spend").await;
            let let_go = 1_000 * nth as u64;
            assert!(CAP - left >= let_go, "{left} is left of {CAP} after {let_go}");
        }
    }
}

#[tokio::test]
async fn what_was_left_stays_where_there_is_no_room_for_it() {
    let world = money();
    let open = world.open(NOON);
    settle(&world, &open, 0..300).await;
    open.store.kept().await.expect("a disk");
    let crashed = world.crashed();

    let full = EmbeddedBounds { max_bytes: Some(4_096), ..EmbeddedBounds::default() };
    let opened = Embedded::open(&crashed.path(), full, |_| Clock::set_at(NOON));
    let (store, clock) = opened.expect("what has no budget runs on");
    let (who, now) = (who("ann"), clock.now());
    let order = crashed.policy.order(ReservationId(900), &who, &DEMAND, now, now.time);
    let refused = store.reserve(&order, now).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    drop(store);

    let again = crashed.open(NOON);
    assert_eq!(again.store.restored().entries, 600, "there is room now");
}

#[test]
fn another_version_of_the_file_stops_the_start_and_says_so() {
    let world = money();
    drop(world.open(NOON));
    let mut frame = [0; 40];
    // Its rows are none; the format, and the first frames after a ledger without entries.
    frame[8..16].copy_from_slice(&99_u64.to_le_bytes());
    frame[16..24].copy_from_slice(&1_u64.to_le_bytes());
    let sum = crc32fast::hash(&frame[8..]);
    frame[4..8].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(redo(&world.path()), frame).expect("a file");
    let error = world.try_open(NOON).err().expect("an error").to_string();
    assert!(error.contains("format 99") && error.contains("tollgate.db-redo"), "{error}");
    assert!(audit(&world.path()).is_ok(), "who reads is told, and reads on");
}
