//! Nodes that die, stop, or lose their server while they have leases.

use std::{
    task::{Context, Waker},
    time::Duration,
};

use redis_servers::Server;
use tollgate::{
    Clock, Store as _, StoreError,
    conformance::NOON,
    store::redis::{Local, State, TimeSource},
};
use tollgate_core::{
    Attributes, Decision, Order, Policy, ReservationId, Unit,
    policy::{
        Limit, Measure,
        settings::{OnStoreFailure, SyncMode},
    },
};

use crate::support::{Making, Node, ask, left, output, takes, tokens};

const CAP: u64 = 1_000_000;

async fn node(server: &Server, clock: &Clock, policy: &Policy, owner: u64) -> Node {
    let (mode, time) = (OnStoreFailure::Closed, TimeSource::Caller);
    Making { server, clock, policy, mode, time }.node(owner).await
}

/// Takes much, evenly, so that it leases ahead of need. How much it took.
async fn warm_up(node: &Node, policy: &Policy, ids: u128, clock: &Clock) -> u64 {
    let mut taken = 0;
    for nth in 0..60 {
        assert!(takes(&**node, policy, (ids + nth, 300), clock).await);
        taken += 300;
        clock.advance(Duration::from_millis(10));
        // Looks are made by the time of this machine.
        tokio::task::yield_now().await;
    }
    taken
}

/// What a node has leased and not used, as the shared store counts it.
async fn leased_ahead(node: &Node, policy: &Policy, taken: u64, clock: &Clock) -> u64 {
    CAP - taken - left(node.shared().store(), policy, clock).await.remaining
}

/// Waits until it has leased ahead.
async fn until_ahead(node: &Node, policy: &Policy, mut taken: u64, clock: &Clock) -> u64 {
    let mut id = 1_000_000;
    while leased_ahead(node, policy, taken, clock).await == 0 {
        assert!(takes(&**node, policy, (id, 300), clock).await);
        clock.advance(Duration::from_millis(10));
        (id, taken) = (id + 1, taken + 300);
    }
    taken
}

#[tokio::test]
async fn a_lease_goes_on_while_the_server_is_away_and_no_longer_than_it_lasts() {
    let (mut server, clock) = (Server::start().await.unwrap(), Clock::set_at(NOON));
    let policy = Policy::new(vec![tokens(CAP, SyncMode::Leased)]).unwrap();
    let node = node(&server, &clock, &policy, 1).await;
    let kept = node.keep(clock.clone());
    let taken = warm_up(&node, &policy, 1, &clock).await;
    let taken = until_ahead(&node, &policy, taken, &clock).await;
    server.kill();
    let mut state = node.state();
    state.wait_for(|state| matches!(state, State::Away { .. })).await.unwrap();
    assert!(takes(&*node, &policy, (50_001, 1), &clock).await, "it has leased that before");
    let before = clock.now();
    clock.advance(Duration::from_secs(2));
    // A process that was stopped does not know yet how late it is.
    let who = Attributes::new();
    let expires = before.time.after(Duration::from_secs(600));
    let order = policy.order(ReservationId(50_002), &who, &output(1), before, expires);
    let refused = node.reserve(&order, before).await;
    assert!(matches!(refused, Err(StoreError::Away(_))), "{refused:?}");
    // What it took meanwhile is counted when it is there again.
    node.settle(ReservationId(50_001), &output(1), clock.now()).await.unwrap();
    let Local::Memory(books) = node.local() else { panic!("they are in memory") };
    let used = CAP - books.standings_now(&order, clock.now())[0].remaining;
    assert_eq!(used, taken + 1);
    drop(node);
    kept.await.unwrap();
}

#[tokio::test]
async fn what_a_dead_node_had_comes_back_with_time() {
    let (server, clock) = (Server::start().await.unwrap(), Clock::set_at(NOON));
    let burst = 10_000;
    let second = Duration::from_secs(1);
    let bucket = Measure::Bucket { rate: 10_000, per: second, burst };
    let bucket = Limit::new("tokens", &[], Unit::Tokens, bucket);
    let policy = Policy::new(vec![Limit { sync: SyncMode::Leased, ..bucket }]).unwrap();
    let (a, b) = (node(&server, &clock, &policy, 1).await, node(&server, &clock, &policy, 2).await);
    assert!(takes(&*a, &policy, (1, 3_000), &clock).await);
    let before = left(b.shared().store(), &policy, &clock).await.remaining;
    assert!(before <= burst - 3_000, "{before}");
    drop(a);
    // No more than is left beside it, while it may still be used.
    assert!(!takes(&*b, &policy, (2, before + 1), &clock).await);
    clock.advance(second);
    assert!(takes(&*b, &policy, (3, burst), &clock).await, "it has refilled like what is used");
}

#[tokio::test]
async fn a_server_that_forgets_takes_its_leases_with_it() {
    let (server, clock) = (Server::start().await.unwrap(), Clock::set_at(NOON));
    let policy = Policy::new(vec![tokens(CAP, SyncMode::Leased)]).unwrap();
    let node = node(&server, &clock, &policy, 1).await;
    warm_up(&node, &policy, 1, &clock).await;
    assert!(takes(&*node, &policy, (900, 500), &clock).await);
    for id in 1..=60 {
        node.settle(ReservationId(id), &output(300), clock.now()).await.unwrap();
    }
    server.command(&["FLUSHALL"]).await.unwrap();
    let before = node.shared().counts();
    node.note_loss("the test says so", clock.now());
    let who = Attributes::new();
    let alone = ask(&*node, (&policy, &who), (901, output(1)), &clock).await;
    assert!(matches!(alone, Err(StoreError::Away(_))), "nothing is taken of what is lost");
    redis_servers::until("it to have told what runs", async || {
        node.recover(clock.now()).await.then_some(())
    })
    .await
    .unwrap();
    let used = CAP - left(node.shared().store(), &policy, &clock).await.remaining;
    assert_eq!(used, 500, "what runs is told as a whole");
    node.settle(ReservationId(900), &output(200), clock.now()).await.unwrap();
    node.hand_back().await;
    let used = CAP - left(node.shared().store(), &policy, &clock).await.remaining;
    assert_eq!(used, 200, "and ends as it was used");
    assert_eq!(node.shared().counts().admitted, before.admitted);
}

#[tokio::test]
async fn an_order_that_nobody_waits_for_any_more_takes_nothing() {
    let (server, clock) = (Server::start().await.unwrap(), Clock::set_at(NOON));
    let slots = Measure::Concurrency { cap: 5 };
    let slots = Limit::new("slots", &[], Unit::Requests, slots);
    let policy = Policy::new(vec![tokens(CAP, SyncMode::Leased), slots]).unwrap();
    let node = node(&server, &clock, &policy, 1).await;
    assert!(takes(&*node, &policy, (1, 100), &clock).await);
    server.pause();
    let who = Attributes::new();
    for id in 2..20 {
        let mut asked = Box::pin(ask(&*node, (&policy, &who), (id, output(50)), &clock));
        // The lease has it, and the slot is asked for; then its caller is gone.
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(asked.as_mut().poll(&mut nobody).is_pending());
    }
    server.resume();
    redis_servers::until("all to be void", async || {
        node.recover(clock.now()).await;
        (node.untold() == (0, 0)).then_some(())
    })
    .await
    .unwrap();
    node.hand_back().await;
    let now = clock.now();
    let order: Order<'_> = policy.order(
        ReservationId(99),
        &who,
        &output(1),
        now,
        now.time.after(Duration::from_secs(1)),
    );
    let standings = node.shared().store().standings(&order, now).await.unwrap();
    assert_eq!((standings[0].remaining, standings[1].remaining), (CAP - 100, 4));
    let decision = node.check(&order, now).await.unwrap();
    assert!(matches!(decision, Decision::Admit(_)), "{decision:?}");
}
