//! `kill -9` at random points: what was acknowledged is there, exactly once.
//!
//! The test runs itself as a child process, which settles as fast as it can and says so on
//! a pipe as soon as each settlement is durable. After a number of acknowledgements that
//! the seed deals, the parent kills it, opens the same ledger and looks.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::Arc,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tollgate::{
    Clock, Embedded, Receipt, Store as _,
    core::{Amounts, Attribute, Attributes, Decision, NanoUsd, Policy, ReservationId, Unit},
    store::embedded::{EmbeddedBounds, audit},
};

use crate::world::{World, daily, is_long, limit, window};

const LEDGER: &str = "TOLLGATE_KILL_LEDGER";
const ROUND: &str = "TOLLGATE_KILL_ROUND";

fn world() -> World {
    let user = &[Attribute::User];
    World::new(vec![
        limit("spend", user, Unit::Usd, daily(1_000_000_000_000)),
        limit("minute", user, Unit::Requests, window(1_000_000_000, 60)),
        limit("all", &[], Unit::Usd, daily(1_000_000_000_000)),
    ])
}

/// What a reservation of that number is asked for, and settled with.
fn demand(number: u64) -> (Amounts, Amounts) {
    let demand = Amounts { input_tokens: 10, cost: NanoUsd(1_000), ..Amounts::ONE_REQUEST };
    let used = Amounts { cost: NanoUsd(number % 1_500), ..demand };
    (demand, used)
}

fn id(round: u64, number: u64) -> u128 {
    u128::from(round) << 64 | u128::from(number)
}

/// Reserves and settles one after the other, some of them unsettled for ever.
async fn work(store: &Embedded, policy: &Policy, clock: &Clock, round: u64, worker: u64) {
    for nth in 0.. {
        let number = worker << 32 | nth;
        let who = Attributes::new().with(Attribute::User, format!("user-{}", number % 17));
        let (demand, used) = demand(number);
        let now = clock.now();
        let expires = now.time.after(std::time::Duration::from_secs(600));
        let id = ReservationId(id(round, number));
        let mut order = policy.order(id, &who, &demand, now, expires);
        order.keep = true;
        let decision = store.reserve(&order, now).await.expect("a store that answers");
        assert!(matches!(decision, Decision::Admit(_)), "{decision:?}");
        let is_held = nth % 11 == 0;
        if !is_held {
            store.settle(id, &used, clock.now()).await.expect("settled");
        }
        store.durable().await.expect("a disk");
        // One write for the whole line, so that the parent never reads half of one.
        let line = format!("{} {number}\n", if is_held { "held" } else { "settled" });
        std::io::stderr().write_all(line.as_bytes()).expect("a pipe");
    }
}

/// Not a test of its own: the process that is killed.
#[test]
fn child() {
    let Some(ledger) = std::env::var_os(LEDGER) else { return };
    let round = std::env::var(ROUND).expect("a round").parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
    runtime.expect("a runtime").block_on(async {
        let bounds = EmbeddedBounds { max_replay: 200, max_grants: 0, ..EmbeddedBounds::default() };
        let opened = Embedded::open(ledger.as_ref(), bounds, Clock::no_earlier_than);
        let (store, clock) = opened.expect("a ledger");
        let (store, policy) = (Arc::new(store), Arc::new(world().policy));
        store.note_policy(&policy);
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let (store, policy, clock) = (store.clone(), policy.clone(), clock.clone());
                tokio::spawn(async move { work(&store, &policy, &clock, round, worker).await })
            })
            .collect();
        for worker in workers {
            worker.await.expect("a worker that never ends");
        }
    });
}

/// What a child has acknowledged.
#[derive(Default)]
struct Said {
    settled: Vec<u64>,
    /// Reservations that nobody ever ends.
    held: u64,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let number = |name: &str| line.strip_prefix(name)?.parse().ok();
        if let Some(number) = number("settled ") {
            self.settled.push(number);
        } else {
            assert!(number("held ").is_some(), "the child said: {line}");
            self.held += 1;
        }
    }
}

/// Runs the child until it has acknowledged that many settlements, and some of the next.
fn run_and_kill(world: &World, round: u64, acknowledgements: usize) -> Said {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "kill::child", "--nocapture"])
        .env(LEDGER, world.path())
        .env(ROUND, round.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut said = Said::default();
    while said.settled.len() < acknowledgements {
        said.hear(&lines.next().expect("the child goes on").expect("a pipe"));
    }
    child.kill().expect("a kill");
    child.wait().expect("an end");
    // What it managed to say before it died counts too.
    lines.map_while(Result::ok).for_each(|line| said.hear(&line));
    said
}

/// How often each ledger sees its process killed.
const KILLS: u64 = 100;

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_exactly_once() {
    for seed in 0..if is_long() { 10 } else { 1 } {
        let (settled, held) = Box::pin(kill_again_and_again(seed)).await;
        println!("{KILLS} kills, {settled} settlements and {held} holds kept");
    }
}

/// How many settlements and holds there were to lose.
async fn kill_again_and_again(seed: u64) -> (usize, u64) {
    let world = world();
    let mut dice = StdRng::seed_from_u64(seed);
    let mut acknowledged: HashMap<u128, Receipt> = HashMap::new();
    let mut held = 0;
    for round in 0..KILLS {
        let said = run_and_kill(&world, round, dice.random_range(1..120));
        held += said.held;
        for number in said.settled {
            let (demand, usage) = demand(number);
            let receipt = Receipt { usage, overrun: usage.beyond(&demand) };
            let before = acknowledged.insert(id(round, number), receipt);
            assert_eq!(before, None, "an id is settled once");
        }
        let bounds = EmbeddedBounds::default();
        let (store, clock) =
            Embedded::open(&world.path(), bounds, Clock::no_earlier_than).expect("a ledger");
        // Now and then everything is asked for again and audited, else the last round alone.
        let is_full = round < 10 || round % 25 == 0 || round + 1 == KILLS;
        let asked = |id: &u128| is_full || id >> 64 == u128::from(round);
        for (id, receipt) in acknowledged.iter().filter(|(id, _)| asked(id)) {
            let again = store.settle(ReservationId(*id), &Amounts::default(), clock.now()).await;
            assert_eq!(again, Ok(*receipt), "round {round}: the same answer after a crash");
        }
        assert!(store.restored().expired > 0, "some were never settled");
        drop(store);

        if !is_full {
            continue;
        }
        let found = audit(&world.path()).expect("a ledger");
        assert!(found.is_clean(), "round {round}: {:#?}", found.findings);
        let sum: u64 = acknowledged.values().map(|receipt| receipt.usage.cost.0).sum();
        let settled = found.settled.cost.0;
        assert!(settled >= sum, "round {round}: {settled} settled, {sum} acknowledged");
        // Beyond the acknowledged there is at most one unseen settlement for each worker.
        let most = sum + (round + 1) * 8 * 1_500;
        assert!(settled <= most, "round {round}: {settled} settled, {sum} acknowledged");
        let all = found.limits.iter().find(|limit| limit.limit == "all").expect("its name");
        let (counted, least) = (all.balance.held + all.balance.expired, held * 1_000);
        assert!(counted >= least, "round {round}: of {least} held, {counted} are counted");
    }
    (acknowledged.len(), held)
}
