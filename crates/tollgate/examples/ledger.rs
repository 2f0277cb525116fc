//! What the ledger costs, and how long a restart takes.
//!
//! `cargo run --release -p tollgate --example ledger [ENTRIES] [KEYS]`
//!
//! Every fourth request keeps its id, as those of `/v1` do. 5,000,000 entries are about 1 GiB.

#![expect(clippy::print_stdout, reason = "it is a report")]

use std::{path::Path, sync::Arc, time::Duration};

use tollgate::{
    Clock, Embedded, Memory, Store,
    core::{
        Amounts, Attribute, Attributes, Calendar, NanoUsd, PeriodUnit, Policy, Unit,
        policy::{Limit, Measure},
    },
    new_id,
    store::embedded::{EmbeddedBounds, audit},
};

/// That of the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error>;

/// Callers at once: who waits for the disk keeps nobody else from work.
const CALLERS: usize = 64;

/// Requests that each has open, as streams are.
const OPEN: usize = 4;

fn limit(name: &str, per: &[Attribute], unit: Unit, cap: u64, seconds: u64) -> Limit {
    let measure = Measure::Window { length: Duration::from_secs(seconds), cap };
    Limit::new(name, per, unit, measure)
}

/// Seven limits, as the assistant's, that refuse nobody.
fn policy() -> Result<Policy, Failure> {
    let user = &[Attribute::User];
    let slots = Measure::Concurrency { cap: 1_000_000 };
    let calendar = Arc::new(Calendar::new(PeriodUnit::Day, jiff::tz::TimeZone::UTC));
    let daily = Measure::Period { calendar, cap: 1_000_000_000_000 };
    Ok(Policy::new(vec![
        limit("minute", user, Unit::Requests, 50_000, 60),
        limit("hour", user, Unit::Requests, 100_000, 3600),
        limit("day", user, Unit::Requests, 100_000, 86_400),
        Limit { measure: daily.clone(), ..limit("spend", user, Unit::Usd, 0, 1) },
        limit("all-hour", &[], Unit::Requests, 100_000_000, 3600),
        Limit { measure: daily, ..limit("all-spend", &[], Unit::Usd, 0, 1) },
        Limit { measure: slots, ..limit("slots", &[], Unit::Requests, 0, 1) },
    ])?)
}

/// Reserves and settles; how many were admitted.
async fn work<S: Store>(
    store: &S,
    policy: &Policy,
    clock: &Clock,
    keys: usize,
    numbers: std::ops::Range<usize>,
) -> Result<usize, Failure> {
    let demand = Amounts {
        input_tokens: 812,
        output_tokens: 256,
        cost: NanoUsd(316_000),
        ..Amounts::ONE_REQUEST
    };
    let used = Amounts { output_tokens: 130, cost: NanoUsd(240_400), ..demand };
    let mut open = std::collections::VecDeque::with_capacity(OPEN);
    let mut admitted = 0;
    for nth in numbers {
        let user = nth.wrapping_mul(2_654_435_761) % keys;
        let who = Attributes::new()
            .with(Attribute::User, format!("user-{user:08}"))
            .with(Attribute::Provider, "openai")
            .with(Attribute::Model, "gpt-4o-mini");
        let now = clock.now();
        let expires = now.time.after(Duration::from_secs(600));
        let mut order = policy.order(new_id(now.wall), &who, &demand, now, expires);
        order.keep = nth % 4 == 0;
        loop {
            match store.reserve(&order, now).await {
                Ok(tollgate::core::Decision::Admit(_)) => {
                    store.held(order.id).await?;
                    admitted += 1;
                    open.push_back(order.id);
                }
                Ok(_) => {}
                // The queue is full: let the writer catch up.
                Err(error) if error.is_transient() => {
                    store.durable().await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            break;
        }
        if open.len() == OPEN
            && let Some(id) = open.pop_front()
        {
            store.settle(id, &used, clock.now()).await?;
        }
    }
    for id in open {
        store.settle(id, &used, clock.now()).await?;
    }
    Ok(admitted)
}

/// Seconds of processor time that this process has used.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    ticks.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

async fn measure<S: Store + 'static>(
    name: &str,
    store: &Arc<S>,
    policy: &Arc<Policy>,
    (keys, requests): (usize, usize),
) -> Result<(), Failure> {
    let clock = Clock::system();
    let (began, cpu) = (clock.now().time, cpu_seconds());
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (store, policy, clock) = (Arc::clone(store), Arc::clone(policy), clock.clone());
        let numbers = caller * requests / CALLERS..(caller + 1) * requests / CALLERS;
        callers.spawn(async move {
            let done = work(&*store, &policy, &clock, keys, numbers).await;
            done.map_err(|error| error.to_string())
        });
    }
    let mut admitted = 0;
    while let Some(done) = callers.join_next().await {
        admitted += done??;
    }
    store.durable().await?;
    let took = clock.now().time.since(began).as_secs_f64();
    let cpu = (cpu_seconds() - cpu) * 1e6 / requests as f64;
    println!(
        "{name}: {requests} requests ({admitted} admitted) in {took:.2} s, {:.0}/s, {cpu:.1} µs of processor time each",
        requests as f64 / took
    );
    Ok(())
}

fn reopen(what: &str, path: &Path) -> Result<(), Failure> {
    let watch = Clock::system();
    let began = watch.now().time;
    let (store, _) = Embedded::open(path, EmbeddedBounds::default(), Clock::no_earlier_than)?;
    let took = watch.now().time.since(began);
    let megabytes = std::fs::metadata(path)?.len() / 1_000_000;
    println!("reopened {what} in {took:.1?}: {:?}, {megabytes} MB", store.restored());
    Ok(())
}

/// Where the child that crashes writes its ledger.
const CRASH: &str = "TOLLGATE_EXAMPLE_CRASH";

/// Fills a ledger in a process that ends without a word.
fn crash(path: &Path) -> Result<(), Failure> {
    std::process::Command::new(std::env::current_exe()?)
        .args(std::env::args().skip(1))
        .env(CRASH, path)
        .status()?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse());
    let entries: usize = arguments.next().transpose()?.unwrap_or(200_000);
    let keys: usize = arguments.next().transpose()?.unwrap_or(100_000);
    let (policy, amount) = (Arc::new(policy()?), (keys, entries / 2));
    if let Some(path) = std::env::var_os(CRASH) {
        let path = Path::new(&path);
        let (store, _) = Embedded::open(path, EmbeddedBounds::default(), Clock::no_earlier_than)?;
        store.note_policy(&policy);
        measure("embedded", &Arc::new(store), &policy, amount).await?;
        std::process::abort();
    }
    let folder = tempfile::tempdir_in(".")?;
    let path = folder.path().join("tollgate.db");
    measure("memory", &Arc::new(Memory::default()), &policy, amount).await?;
    crash(&path)?;
    reopen("after a crash", &path)?;
    reopen("after a stop", &path)?;
    let watch = Clock::system();
    let began = watch.now().time;
    let found = audit(&path)?;
    let took = watch.now().time.since(began);
    println!("audited {} rows in {took:.1?}: {} findings", found.entries, found.wrong);
    Ok(())
}
