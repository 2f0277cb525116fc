//! What a limit's `sync` does.

use std::time::Duration;

use redis_servers::Server;
use tollgate::{
    Clock, Store as _,
    conformance::NOON,
    store::redis::{LeaseCounts, TimeSource},
};
use tollgate_core::{
    Policy, ReservationId,
    policy::settings::{OnStoreFailure, SyncMode},
};

use crate::support::{Making, Node, left, output, takes, tokens};

const CAP: u64 = 1_000_000;

async fn node(server: &Server, clock: &Clock, policy: &Policy) -> Node {
    let (mode, time) = (OnStoreFailure::Closed, TimeSource::Caller);
    Making { server, clock, policy, mode, time }.node(1).await
}

/// Asks so often for one token, at one instant.
async fn asks(node: &Node, policy: &Policy, ids: std::ops::Range<u128>, clock: &Clock) {
    for id in ids {
        assert!(takes(&**node, policy, (id, 1), clock).await);
    }
}

#[tokio::test]
async fn a_limit_is_leased_where_its_policy_says_so_and_at_a_reload() {
    let (server, clock) = (Server::start().await.unwrap(), Clock::set_at(NOON));
    let policy = |sync| Policy::new(vec![tokens(CAP, sync)]).unwrap();
    let node = node(&server, &clock, &policy(SyncMode::Exact)).await;
    asks(&node, &policy(SyncMode::Exact), 1..100, &clock).await;
    assert_eq!(node.shared().counts(), LeaseCounts::default(), "however hot it is");
    node.note_policy(&policy(SyncMode::Leased));
    asks(&node, &policy(SyncMode::Leased), 100..110, &clock).await;
    assert_eq!(node.shared().counts().admitted, 10, "from the first request on");
    node.note_policy(&policy(SyncMode::Exact));
    asks(&node, &policy(SyncMode::Exact), 110..120, &clock).await;
    assert_eq!(node.shared().counts().admitted, 10);
}

#[tokio::test]
async fn what_nobody_says_is_leased_while_it_is_hot() {
    let (server, clock) = (Server::start().await.unwrap(), Clock::set_at(NOON));
    let policy = Policy::new(vec![tokens(CAP, SyncMode::Auto)]).unwrap();
    let node = node(&server, &clock, &policy).await;
    asks(&node, &policy, 1..11, &clock).await;
    assert_eq!(node.shared().counts(), LeaseCounts::default());
    asks(&node, &policy, 11..60, &clock).await;
    let counts = node.shared().counts();
    assert!(counts.admitted >= 30, "{counts:?}");
    // It is asked no more, and all of it goes back.
    for nth in 0..3 {
        clock.advance(Duration::from_secs(1));
        asks(&node, &policy, 60 + nth..61 + nth, &clock).await;
    }
    redis_servers::until("it to be exact again", async || {
        let all = left(node.shared().store(), &policy, &clock).await.remaining;
        (all == CAP - 62).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_was_not_used_is_given_back_and_an_overrun_is_charged() {
    let (server, clock) = (Server::start().await.unwrap(), Clock::set_at(NOON));
    let policy = Policy::new(vec![tokens(CAP, SyncMode::Leased)]).unwrap();
    let node = node(&server, &clock, &policy).await;
    for (id, used) in [(1, 40), (2, 100), (3, 130), (4, 0)] {
        assert!(takes(&*node, &policy, (id, 100), &clock).await);
        let more = output(used);
        let receipt = node.settle(ReservationId(id), &more, clock.now()).await.unwrap();
        assert_eq!(receipt.overrun.output_tokens, used.saturating_sub(100));
    }
    assert!(takes(&*node, &policy, (5, 100), &clock).await);
    node.void(ReservationId(5), clock.now()).await.unwrap();
    assert_eq!(node.shared().counts().admitted, 5);
    node.hand_back().await;
    let left = left(node.shared().store(), &policy, &clock).await;
    assert_eq!(left.remaining, CAP - 270);
}
