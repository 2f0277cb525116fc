//! Several nodes and one account, over a real server.

use std::{collections::HashMap, sync::Arc, time::Duration};

use redis_servers::Server;
use tokio::{sync::watch, task::JoinSet};
use tollgate::{
    Clock, Store,
    store::redis::{Leases, LeasesSettings, Link, LinkSettings, Shared, SharedSettings},
};
use tollgate_core::{
    Amounts, Attribute, Attributes, Decision, Order, Policy, ReservationId, Unit,
    lease::Terms,
    policy::{Limit, Measure, settings::SyncMode},
};

const CAP: u64 = 1_000;

/// Everybody's limit, and each user's own where there are users.
fn policy(has_users: bool) -> Policy {
    let hour = Measure::Window { length: Duration::from_secs(3_600), cap: CAP };
    let user = Measure::Window { length: Duration::from_secs(60), cap: 10 };
    let mut limits = vec![Limit::new("all", &[], Unit::Requests, hour)];
    if has_users {
        limits.push(Limit::new("user", &[Attribute::User], Unit::Requests, user));
    }
    Policy::new(limits).unwrap()
}

async fn shared(server: &Server, owner: u64) -> Shared {
    let mut link = LinkSettings::of(&server.url()).unwrap();
    link.timeout = Duration::from_secs(10);
    let settings =
        SharedSettings { node: format!("node-{owner}"), owner, ..SharedSettings::default() };
    Shared::new(Link::connect(&link).await.unwrap(), &settings)
}

async fn node(server: &Server, owner: u64, clock: &Clock) -> Arc<Leases<Shared>> {
    let settings = LeasesSettings {
        clock: clock.clone(),
        terms: Terms::default(),
        nodes: watch::channel(3).1,
        max_reservations: 10_000,
    };
    let leases = Leases::new(shared(server, owner).await, &settings);
    let policy = policy(true);
    let modes = policy.limits().iter().map(|limit| (limit.id, SyncMode::Leased));
    leases.set_modes(modes.collect::<HashMap<_, _>>());
    Arc::new(leases)
}

async fn ask(
    store: &impl Store,
    policy: &Policy,
    (id, who): (u128, &Attributes),
    clock: &Clock,
) -> Decision {
    let now = clock.now();
    let expires = now.time.after(Duration::from_secs(60));
    let order: Order<'_> =
        policy.order(ReservationId(id), who, &Amounts::ONE_REQUEST, now, expires);
    store.reserve(&order, now).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_admit_exactly_the_limit() {
    let server = Server::start().await.unwrap();
    let clock = Clock::system();
    let nodes = [
        node(&server, 1, &clock).await,
        node(&server, 2, &clock).await,
        node(&server, 3, &clock).await,
    ];
    let mut clients = JoinSet::new();
    for client in 0..24_u128 {
        let (store, clock) = (Arc::clone(&nodes[client as usize % 3]), clock.clone());
        clients.spawn(async move {
            let (policy, who) = (policy(false), Attributes::new());
            let mut admitted = 0;
            for nth in 0_u128.. {
                let id = client << 64 | nth << 1;
                match ask(&*store, &policy, (id, &who), &clock).await {
                    Decision::Admit(_) => admitted += 1,
                    _ => break,
                }
                // Some are void, and their units go to others.
                if nth % 8 == 7 {
                    store.void(ReservationId(id), clock.now()).await.unwrap();
                    admitted -= 1;
                }
            }
            admitted
        });
    }
    let mut admitted: u64 = clients.join_all().await.into_iter().sum();
    assert!(admitted <= CAP, "{admitted}");
    for node in &nodes {
        node.stop().await;
    }
    let (exact, policy) = (shared(&server, 4).await, policy(false));
    let who = Attributes::new();
    while let Decision::Admit(_) =
        ask(&exact, &policy, (u128::MAX - u128::from(admitted), &who), &clock).await
    {
        admitted += 1;
    }
    assert_eq!(admitted, CAP, "all that was leased and not used has come back");
}

#[tokio::test]
async fn a_refusal_by_what_is_not_leased_takes_nothing_of_what_is() {
    let server = Server::start().await.unwrap();
    let clock = Clock::system();
    let node = node(&server, 1, &clock).await;
    let (policy, who) = (policy(true), Attributes::new().with(Attribute::User, "ada"));
    let mut admitted = 0;
    for id in 0..30 {
        let decision = ask(&*node, &policy, (id, &who), &clock).await;
        admitted += u64::from(matches!(decision, Decision::Admit(_)));
    }
    assert_eq!(admitted, 10, "the user's own limit is small, so it is exact");
    for id in 0..10 {
        let used = Amounts::ONE_REQUEST;
        assert_eq!(node.settle(ReservationId(id), &used, clock.now()).await.unwrap().usage, used);
    }
    node.stop().await;
    let now = clock.now();
    let order = policy.order(ReservationId(99), &who, &Amounts::ONE_REQUEST, now, now.time);
    let standings = node.store().standings(&order, now).await.unwrap();
    let all = standings.iter().find(|standing| standing.cap == CAP).unwrap();
    assert_eq!(all.remaining, CAP - 10);
}
