//! `kill -9` between a hold and its row: whatever was let go counts as used afterwards.
//!
//! The child reserves as fast as it can and says so on a pipe as soon as a request might be
//! sent, which is long before its row is written. The parent kills it, opens the ledger and
//! looks whether each user's account has all of it, and not much more.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::Arc,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tollgate::{
    Clock, Embedded, Store as _,
    core::{Amounts, Attribute, Attributes, Decision, NanoUsd, Policy, ReservationId, Unit},
    store::embedded::{EmbeddedBounds, Resolution, SpendQuery, audit, reconcile, spend},
};

use crate::world::{World, is_long, limit, total};

const LEDGER: &str = "TOLLGATE_HOLDS_LEDGER";
const ROUND: &str = "TOLLGATE_HOLDS_ROUND";

const CAP: u64 = 1_000_000_000;
const USERS: u64 = 5;
const WORKERS: u64 = 4;

/// The largest order.
const MOST: u64 = 3_000;

fn world() -> World {
    World::new(vec![
        limit("spend", &[Attribute::User], Unit::Usd, total(CAP)),
        limit("all", &[], Unit::Usd, total(100 * CAP)),
    ])
}

fn user(number: u64) -> u64 {
    number % USERS
}

/// What is reserved, and what of it is used where it is settled.
fn amounts(number: u64) -> (u64, u64) {
    let reserved = 1_000 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (MOST - 1_000);
    let is_settled = number.is_multiple_of(7);
    (reserved, if is_settled { reserved / 2 } else { reserved })
}

fn costing(nanos: u64) -> Amounts {
    Amounts { cost: NanoUsd(nanos), ..Amounts::ONE_REQUEST }
}

async fn work(store: &Embedded, policy: &Policy, clock: &Clock, round: u64, worker: u64) {
    for nth in 0.. {
        let number = worker << 32 | nth;
        let who = Attributes::new().with(Attribute::User, format!("user-{}", user(number)));
        let (reserved, used) = amounts(number);
        let now = clock.now();
        let expires = now.time.after(std::time::Duration::from_secs(600));
        let id = ReservationId(u128::from(round) << 64 | u128::from(number));
        let order = policy.order(id, &who, &costing(reserved), now, expires);
        let decision = store.reserve(&order, now).await.expect("a store that answers");
        if !matches!(decision, Decision::Admit(_)) {
            return std::future::pending().await;
        }
        store.held(id).await.expect("a disk");
        // One write for the whole line, so that the parent never reads half of one.
        let line = format!("sent {number}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("a pipe");
        if used < reserved {
            store.settle(id, &costing(used), clock.now()).await.expect("settled");
        }
        tokio::task::yield_now().await;
    }
}

/// Not a test of its own: the process that is killed.
#[test]
fn child() {
    let Some(ledger) = std::env::var_os(LEDGER) else { return };
    let round = std::env::var(ROUND).expect("a round").parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
    runtime.expect("a runtime").block_on(async {
        let bounds = EmbeddedBounds { max_replay: 200, ..EmbeddedBounds::default() };
        let opened = Embedded::open(ledger.as_ref(), bounds, Clock::no_earlier_than);
        let (store, clock) = opened.expect("a ledger");
        let (store, policy) = (Arc::new(store), Arc::new(world().policy));
        store.note_policy(&policy);
        for worker in 0..WORKERS {
            let (store, policy, clock) = (store.clone(), policy.clone(), clock.clone());
            tokio::spawn(async move { work(&store, &policy, &clock, round, worker).await });
        }
        std::future::pending::<()>().await;
    });
}

/// Runs the child until it has let so many go; the numbers of all that it has.
fn run_and_kill(world: &World, round: u64, most: usize) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "holds::child", "--nocapture"])
        .env(LEDGER, world.path())
        .env(ROUND, round.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let number = |line: &str| line.strip_prefix("sent ").and_then(|text| text.parse().ok());
    let mut sent = Vec::new();
    while sent.len() < most {
        let line = lines.next().expect("the child goes on").expect("a pipe");
        sent.push(number(&line).expect(&line));
    }
    child.kill().expect("a kill");
    child.wait().expect("an end");
    // What it managed to say before it died counts too.
    sent.extend(lines.map_while(Result::ok).map(|line| number(&line).expect(&line)));
    sent
}

#[tokio::test]
async fn what_was_let_go_counts_after_a_kill() {
    for seed in 0..if is_long() { 20 } else { 1 } {
        let world = world();
        let mut dice = StdRng::seed_from_u64(seed);
        let (mut least, mut most) = (HashMap::new(), HashMap::new());
        let mut lost = 0;
        for round in 0..if is_long() { 50 } else { 12 } {
            for number in run_and_kill(&world, round, dice.random_range(1..400)) {
                let (reserved, used) = amounts(number);
                *least.entry(user(number)).or_insert(0) += used;
                *most.entry(user(number)).or_insert(0) += reserved;
            }
            let bounds = EmbeddedBounds::default();
            let (store, clock) =
                Embedded::open(&world.path(), bounds, Clock::no_earlier_than).expect("a ledger");
            for nth in 0..USERS {
                let who = Attributes::new().with(Attribute::User, format!("user-{nth}"));
                let now = clock.now();
                let order = world.policy.order(ReservationId(0), &who, &costing(0), now, now.time);
                let standings = store.standings(&order, now).await.expect("an answer");
                let spend = world.policy.limits()[0].id;
                let standing = standings.iter().find(|standing| standing.limit == spend);
                let counted = standing.map_or(0, |standing| standing.cap - standing.remaining);
                let least = least.get(&nth).copied().unwrap_or(0);
                assert!(counted >= least, "round {round}: {counted} of {least} are counted");
                // What a worker had taken and not said, and a grant for each kill.
                let most = most.entry(nth).or_insert(0);
                *most += WORKERS * MOST + CAP / 100;
                assert!(counted <= *most, "round {round}: {counted} are counted, of {most}");
            }
            drop(store);
            let found = audit(&world.path()).expect("a ledger");
            assert!(found.is_clean(), "round {round}: {:#?}", found.findings);
            lost = found.lost;
        }
        assert!(lost > 0, "there were grants to count");
        none_of_it_is_spent_by_anybody(&world);
    }
}

/// Grants that count as used are nobody's spend, and are given back when more is known.
fn none_of_it_is_spent_by_anybody(world: &World) {
    let now = Clock::system().now().wall;
    let day = std::time::Duration::from_secs(86_400);
    let query = SpendQuery::between(now.before(day), now.after(day));
    let told: u64 =
        spend(&world.path(), &query).expect("sums").iter().map(|row| row.requests).sum();
    let found = audit(&world.path()).expect("a ledger");
    let done = reconcile(&world.path(), Clock::no_earlier_than, |_, demand| {
        // A grant is for no request.
        if demand.requests == 0 { Resolution::Release } else { Resolution::Keep }
    });
    let done = done.expect("a ledger");
    assert!(done.after.is_clean(), "{:#?}", done.after.findings);
    assert_eq!((done.released, done.after.outstanding), (found.lost, 0));
    assert_eq!(told, found.reservations - found.lost);
    let sum = |audit: &tollgate::store::embedded::Audit| {
        audit.limits.iter().map(|limit| limit.balance.released).sum::<u64>()
    };
    assert!(sum(&done.after) > sum(&done.before), "what no row tells of is given back");
}

#[tokio::test]
async fn a_stop_leaves_no_grants() {
    let world = world();
    let bounds = EmbeddedBounds::default();
    for round in 0..3 {
        let (store, clock) =
            Embedded::open(&world.path(), bounds, Clock::no_earlier_than).expect("a ledger");
        assert_eq!(store.restored().expired, 0);
        let who = Attributes::new().with(Attribute::User, "ann");
        let now = clock.now();
        let order = world.policy.order(
            ReservationId(round),
            &who,
            &costing(7),
            now,
            now.time.after(std::time::Duration::from_secs(600)),
        );
        store.reserve(&order, now).await.expect("an answer");
        store.held(order.id).await.expect("a disk");
        store.settle(order.id, &costing(7), clock.now()).await.expect("settled");
    }
    let found = audit(&world.path()).expect("a ledger");
    assert_eq!((found.lost, found.reservations, found.settled.cost.0), (0, 3, 21));
}
