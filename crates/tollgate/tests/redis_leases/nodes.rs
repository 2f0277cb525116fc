//! Several nodes and one account, over a real server.

use std::{sync::Arc, time::Duration};

use redis_servers::Server;
use tokio::task::JoinSet;
use tollgate::{Clock, Store as _, store::redis::TimeSource};
use tollgate_core::{
    Amounts, Attribute, Attributes, Decision, Policy, ReservationId, Unit,
    policy::{
        Limit, Measure,
        settings::{OnStoreFailure, SyncMode},
    },
};

use crate::support::{Making, Node, ask, takes, tokens};

const CAP: u64 = 1_000;

const ONE: Amounts = Amounts::ONE_REQUEST;

/// Everybody's limit, and each user's own where there are users.
fn policy(has_users: bool) -> Policy {
    let hour = Measure::Window { length: Duration::from_secs(3_600), cap: CAP };
    let user = Measure::Window { length: Duration::from_secs(60), cap: 10 };
    let all = Limit::new("all", &[], Unit::Requests, hour);
    let mut limits = vec![Limit { sync: SyncMode::Leased, ..all }];
    if has_users {
        limits.push(Limit::new("user", &[Attribute::User], Unit::Requests, user));
    }
    Policy::new(limits).unwrap()
}

fn making<'a>(server: &'a Server, clock: &'a Clock, policy: &'a Policy) -> Making<'a> {
    let (mode, time) = (OnStoreFailure::Closed, TimeSource::Server);
    Making { server, clock, policy, mode, time }
}

/// One of many who ask until they are refused, and void every eighth. How much they took.
async fn client(store: Node, client: u128, clock: Clock) -> u64 {
    let (policy, who) = (policy(false), Attributes::new());
    let mut admitted = 0;
    for nth in 0_u128.. {
        let id = client << 64 | nth << 1;
        match ask(&*store, (&policy, &who), (id, ONE), &clock).await.unwrap() {
            Decision::Admit(_) => admitted += 1,
            _ => break,
        }
        if nth % 8 == 7 {
            store.void(ReservationId(id), clock.now()).await.unwrap();
            admitted -= 1;
        }
    }
    admitted
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_admit_exactly_the_limit() {
    let (server, clock, policy) = (Server::start().await.unwrap(), Clock::system(), policy(false));
    let making = making(&server, &clock, &policy);
    let nodes = [making.node(1).await, making.node(2).await, making.node(3).await];
    let mut clients = JoinSet::new();
    for nth in 0..24_u128 {
        clients.spawn(client(Arc::clone(&nodes[nth as usize % 3]), nth, clock.clone()));
    }
    let mut admitted: u64 = clients.join_all().await.into_iter().sum();
    assert!(admitted <= CAP, "{admitted}");
    assert!(nodes.iter().all(|node| node.shared().counts().admitted > 0), "all had leases");
    for node in &nodes {
        node.hand_back().await;
    }
    let (exact, who) = (making.shared(4).await, Attributes::new());
    loop {
        let id = u128::MAX - u128::from(admitted);
        match ask(&exact, (&policy, &who), (id, ONE), &clock).await.unwrap() {
            Decision::Admit(_) => admitted += 1,
            _ => break,
        }
    }
    assert_eq!(admitted, CAP, "all that was leased and not used has come back");
}

#[tokio::test]
async fn what_is_idle_at_one_node_comes_to_another() {
    let (server, clock) = (Server::start().await.unwrap(), Clock::system());
    let cap = 100_000;
    let policy = Policy::new(vec![tokens(cap, SyncMode::Leased)]).unwrap();
    let making = making(&server, &clock, &policy);
    let (a, b) = (making.node(1).await, making.node(2).await);
    let mut used = 0;
    // As fast as it can, so that it leases ahead.
    for id in 0..400 {
        assert!(takes(&*a, &policy, (id, 100), &clock).await);
        used += 100;
    }
    let mut id = 1_000;
    redis_servers::until("the other one to have all the rest", async || {
        id += 1;
        takes(&*b, &policy, (id, cap - used), &clock).await.then_some(())
    })
    .await
    .unwrap();
    assert!(!takes(&*a, &policy, (900, 1), &clock).await && a.shared().counts().admitted > 100);
}

#[tokio::test]
async fn a_refusal_by_what_is_not_leased_takes_nothing_of_what_is() {
    let (server, clock, policy) = (Server::start().await.unwrap(), Clock::system(), policy(true));
    let node = making(&server, &clock, &policy).node(1).await;
    let who = Attributes::new().with(Attribute::User, "ada");
    let mut admitted = 0;
    for id in 0..30 {
        let decision = ask(&*node, (&policy, &who), (id, ONE), &clock).await.unwrap();
        admitted += u64::from(matches!(decision, Decision::Admit(_)));
    }
    assert_eq!(admitted, 10, "the user's own limit is small, so it is exact");
    assert_eq!(node.shared().counts().admitted, 0, "and asked of the shared store each time");
    for id in 0..10 {
        assert_eq!(node.settle(ReservationId(id), &ONE, clock.now()).await.unwrap().usage, ONE);
    }
    node.hand_back().await;
    let now = clock.now();
    let order = policy.order(ReservationId(99), &who, &ONE, now, now.time);
    let standings = node.shared().store().standings(&order, now).await.unwrap();
    let all = standings.iter().find(|standing| standing.cap == CAP).unwrap();
    assert_eq!(all.remaining, CAP - 10);
}

#[tokio::test]
async fn who_is_granted_less_of_an_account_is_decided_by_what_is_granted() {
    let (server, clock) = (Server::start().await.unwrap(), Clock::system());
    let (large, small) = (tokens(10_000, SyncMode::Leased), tokens(1_000, SyncMode::Leased));
    let (large, small) = (Policy::new(vec![large]).unwrap(), Policy::new(vec![small]).unwrap());
    let node = making(&server, &clock, &large).node(1).await;
    for id in 0..20 {
        assert!(takes(&*node, &large, (id, 50), &clock).await);
    }
    assert!(!takes(&*node, &small, (20, 50), &clock).await, "1,000 of 1,000 are used");
    assert!(takes(&*node, &large, (21, 50), &clock).await);
}
