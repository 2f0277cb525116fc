//! Reservations in several tags of a cluster, where one of its masters stands still for a while.

use std::time::Duration;

use redis_servers::{Cluster, Program};
use tollgate::{
    Clock, Store, StoreError,
    conformance::NOON,
    core::{
        Attribute, Attributes, Order, Policy, ReservationId, Unit,
        policy::{Limit, Measure},
    },
    store::redis::Shared,
};

use crate::{
    nodes::{HOLD, costs},
    support::{answers_again, link_to_within, shared_over},
};

const TIMEOUT: Duration = Duration::from_millis(500);

/// Money of each user and of all, which lie under different tags.
fn policy() -> Policy {
    let bucket = || Measure::Bucket { rate: 1, per: Duration::from_secs(86_400), burst: 1_000 };
    Policy::new(vec![
        Limit::new("user", &[Attribute::User], Unit::Usd, bucket()),
        Limit::new("all", &[], Unit::Usd, bucket()),
    ])
    .unwrap()
}

struct Parts {
    cluster: Cluster,
    policy: Policy,
    clock: Clock,
    who: Vec<Attributes>,
}

impl Parts {
    async fn start() -> Self {
        let cluster = Cluster::start(Program::Redis, 60_000).await.unwrap();
        let who = (0..3).map(|nth| Attributes::new().with(Attribute::User, format!("user-{nth}")));
        let (policy, clock) = (policy(), Clock::set_at(NOON));
        Self { cluster, policy, clock, who: who.collect() }
    }

    async fn node(&self, owner: u64) -> Shared {
        shared_over(&link_to_within(&self.cluster, TIMEOUT).await, owner)
    }

    fn order(&self, id: u128, keep: bool) -> Order<'_> {
        let (now, who) = (self.clock.now(), &self.who[id as usize % self.who.len()]);
        let expires = now.time.after(HOLD);
        let mut order = self.policy.order(ReservationId(id), who, &costs(100), now, expires);
        order.keep = keep;
        order
    }

    /// What is left to the user of an order, and to all.
    async fn left(&self, node: &Shared, id: u128) -> [u64; 2] {
        let now = self.clock.now();
        let standings = node.standings(&self.order(id, false), now).await.unwrap();
        [standings[0].remaining, standings[1].remaining]
    }
}

#[tokio::test]
async fn what_was_held_before_a_tag_failed_is_given_back_by_its_id() {
    let parts = Parts::start().await;
    let node = parts.node(1).await;
    let mut failed = 0;
    for id in 1..=9 {
        let master = &parts.cluster.nodes()[id as usize % 3];
        master.pause();
        let decided = node.reserve(&parts.order(id, false), parts.clock.now()).await;
        master.resume();
        answers_again(&node, parts.clock.now()).await;
        failed += u32::from(matches!(decided, Err(StoreError::Away(_))));
        node.void(ReservationId(id), parts.clock.now()).await.ok();
        assert_eq!(parts.left(&node, id).await, [1_000; 2], "{id}: {decided:?}");
    }
    assert!(failed > 0, "no master was asked while it stood");
}

#[tokio::test]
async fn what_one_node_began_to_end_another_one_ends_in_all_tags_alike() {
    let parts = Parts::start().await;
    let (node, other) = (parts.node(1).await, parts.node(2).await);
    let mut spent = 0;
    for id in 1..=9 {
        node.reserve(&parts.order(id, true), parts.clock.now()).await.unwrap();
        let before = parts.left(&other, id).await;
        let master = &parts.cluster.nodes()[id as usize % 3];
        master.pause();
        let settled = node.settle(ReservationId(id), &costs(60), parts.clock.now()).await;
        master.resume();
        answers_again(&other, parts.clock.now()).await;
        other.void(ReservationId(id), parts.clock.now()).await.ok();
        let [user, all] = parts.left(&other, id).await;
        assert_eq!(user - before[0], all - before[1], "{id}: {settled:?}");
        spent += u32::from(settled.is_err() && user - before[0] == 40);
    }
    assert!(spent > 0, "no settlement got stuck half-way");
}
