//! Every store against the model that counts each charge anew, by histories of the same kind.

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use redis_servers::{Cluster, Program, Server};
use tempfile::TempDir;
use tollgate::{
    Clock, Embedded, Memory, Store,
    core::{Policy, Time},
    store::embedded::EmbeddedBounds,
};

use crate::{
    naive::history::{Play, Step, Ways, policies, steps},
    support::{emptied, histories, link, link_to, runtime, shared_over},
};

/// As fine as Redis counts time.
const MICROSECOND: u64 = 1_000;

const WHOLE: Ways = Ways { grain: MICROSECOND, in_parts: false };
const IN_PARTS: Ways = Ways { in_parts: true, ..WHOLE };

/// Draws histories and plays those of their steps that are `fit`.
fn for_each(cases: u32, fit: fn(&Step) -> bool, play: impl Fn(Policy, &[Step])) {
    let config = Config {
        cases: histories(cases),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let drawn = (policies(WHOLE), steps(WHOLE));
    let played = TestRunner::new(config).run(&drawn, |(policy, mut steps)| {
        steps.retain(fit);
        play(policy, &steps);
        Ok::<(), TestCaseError>(())
    });
    if let Err(failed) = played {
        panic!("{failed}");
    }
}

async fn hold_to_it(store: &impl Store, ways: Ways, policy: Policy, steps: &[Step]) {
    let mut play = Play::new(store, ways, policy);
    for step in steps {
        play.step(step).await;
    }
}

#[test]
fn memory_counts_as_the_model_does() {
    let runtime = runtime();
    for_each(
        1_000,
        |_| true,
        |policy, steps| {
            runtime.block_on(hold_to_it(&Memory::default(), WHOLE, policy, steps));
        },
    );
}

#[test]
fn a_ledger_counts_as_the_model_does() {
    let runtime = runtime();
    for_each(
        300,
        |_| true,
        |policy, steps| {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("tollgate.db");
            let clock = |_| Clock::set_at(Time::from_millis(1_790_000_000_000));
            let (ledger, _) = Embedded::open(&path, EmbeddedBounds::default(), clock).unwrap();
            runtime.block_on(hold_to_it(&ledger, WHOLE, policy, steps));
        },
    );
}

#[test]
fn redis_counts_as_the_model_does() {
    let runtime = runtime();
    let server = runtime.block_on(Server::start()).unwrap();
    let link = runtime.block_on(link(&server));
    for_each(
        1_000,
        |_| true,
        |policy, steps| {
            runtime.block_on(async {
                server.command(&["FLUSHALL"]).await.unwrap();
                hold_to_it(&shared_over(&link, 1), WHOLE, policy, steps).await;
            });
        },
    );
}

#[test]
fn a_cluster_counts_as_the_model_does() {
    let runtime = runtime();
    let cluster = runtime.block_on(Cluster::start(Program::Redis, 1000)).unwrap();
    let link = runtime.block_on(link_to(&cluster));
    // What was held part by part for a refused order has begun its periods and moved its cells'
    // latest instants: that is seen where a clock is set back.
    let goes_on = |step: &Step| !matches!(step, Step::SetWall { .. } | Step::Lag { .. });
    for_each(300, goes_on, |policy, steps| {
        runtime.block_on(async {
            emptied(&cluster).await;
            hold_to_it(&shared_over(&link, 1), IN_PARTS, policy, steps).await;
        });
    });
}
