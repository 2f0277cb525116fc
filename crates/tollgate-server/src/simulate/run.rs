//! One run, or many beside each other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    task::{JoinSet, yield_now},
};
use tollgate_core::policy::Config;

use super::{
    outcome::Outcome,
    row::Row,
    scene::{Crowding, Scene, Size, Variation},
    tally::Tally,
    world::World,
};
use crate::{
    load::{Begin, Crowd, Think, Until},
    replay::{Dealer, Tokens, Trace},
};

/// Outcomes that wait to be counted.
const CHANNEL: usize = 1024;
/// Requests of a trace that are on their way at once; those beyond come when one has ended.
const MAX_IN_FLIGHT: usize = 8_000;

/// Runs every number of users under every variation, as many at a time as the machine has cores,
/// and tells each in its order. `config` makes the policy anew for each run; `done` is told of each
/// that is over.
///
/// # Errors
/// The first of those that cannot run.
pub(crate) fn run_all(
    config: &(impl Fn() -> anyhow::Result<Config> + Sync),
    scene: &Scene,
    (users, variations): (&[u32], &[Variation]),
    done: &(impl Fn() + Sync),
) -> anyhow::Result<Vec<Row>> {
    let runs: Vec<(u32, Variation)> =
        users.iter().flat_map(|users| variations.iter().map(|it| (*users, *it))).collect();
    let next = AtomicUsize::new(0);
    let rows: Vec<Mutex<Option<anyhow::Result<Row>>>> =
        runs.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while let Some(nth) =
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|it| *it < runs.len())
        {
            let (users, variation) = runs[nth];
            let row = config().and_then(|config| run(config, scene, users, variation, |_| {}));
            *rows[nth].lock() = Some(row);
            done();
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from).min(runs.len());
    thread::scope(|scope| {
        for _ in 1..cores {
            scope.spawn(work);
        }
        work();
    });
    rows.into_iter().filter_map(Mutex::into_inner).collect()
}

/// Runs so many users under a policy, or under the part of it that a variation has, and tells
/// `watch` every outcome.
///
/// # Errors
/// When nothing can be asked under that policy.
pub(super) fn run(
    config: Config,
    scene: &Scene,
    users: u32,
    variation: Variation,
    mut watch: impl FnMut(&Outcome),
) -> anyhow::Result<Row> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // What is done aside is done in its order.
    let runtime = runtime.enable_time().start_paused(true).max_blocking_threads(1).build()?;
    runtime.block_on(async {
        let world = World::new(config, scene, variation)?;
        let mut beside = world.beside();
        let mut tally = Tally::new(lasts(scene));
        let (sender, mut outcomes) = mpsc::channel(CHANNEL);
        let count = async {
            while let Some(outcome) = outcomes.recv().await {
                tally.add(&outcome, world.asking.first.as_deref());
                watch(&outcome);
            }
        };
        let (asked, ()) = match &scene.crowding {
            Crowding::Users { think, size, lasts } => {
                let closed = closed(&world, (users, *think), *size, *lasts, scene.seed, sender);
                tokio::join!(closed, count)
            }
            Crowding::Trace(trace) => {
                let dealer = Dealer::new(users, 0.0, scene.seed);
                let dealer = dealer.ok_or_else(|| anyhow::anyhow!("nobody asks"))?;
                tokio::join!(open(&world, trace, dealer, sender), count)
            }
        };
        beside.shutdown().await;
        Ok(Row::new(&world, (users, variation), (asked, lasts(scene)), &tally))
    })
}

/// How long a scene lasts, without what ends after it.
fn lasts(scene: &Scene) -> Duration {
    match &scene.crowding {
        Crowding::Users { lasts, .. } => *lasts,
        Crowding::Trace(trace) => trace.rows().last().map_or(Duration::ZERO, |row| row.at),
    }
}

/// Users who think, ask, wait and think again; how many requests they began.
async fn closed(
    world: &World,
    (users, think): (u32, Think),
    Size(tokens): Size,
    lasts: Duration,
    seed: u64,
    outcomes: mpsc::Sender<Outcome>,
) -> u64 {
    let crowd = Crowd { users, begin: Begin::Apart, until: Until::Passed(lasts), think, seed };
    let (world, number) = (world.clone(), Arc::new(AtomicU64::new(0)));
    let send = move |user| {
        let (world, number) = (world.clone(), number.fetch_add(1, Ordering::Relaxed));
        async move { world.ask(user, number, tokens).await }
    };
    crowd.play(send, outcomes, std::future::pending()).await.begun
}

/// Requests that come when they came, whatever became of those before; how many.
async fn open(
    world: &World,
    trace: &Trace,
    mut dealer: Dealer,
    outcomes: mpsc::Sender<Outcome>,
) -> u64 {
    let mut asking = JoinSet::new();
    for (number, row) in (0..).zip(trace.rows()) {
        let wait = row.at.saturating_sub(world.passed());
        if wait.is_zero() {
            // Whoever came before at the same instant goes before.
            yield_now().await;
        } else {
            tokio::time::sleep(wait).await;
        }
        while asking.try_join_next().is_some() {}
        if asking.len() >= MAX_IN_FLIGHT {
            asking.join_next().await;
        }
        let tokens = Tokens { input: row.input_tokens.into(), output: row.output_tokens.into() };
        let (world, outcomes, user) = (world.clone(), outcomes.clone(), dealer.deal().user);
        asking.spawn(async move {
            let _ = outcomes.send(world.ask(user, number, tokens).await).await;
        });
    }
    drop(outcomes);
    while asking.join_next().await.is_some() {}
    trace.rows().len() as u64
}
