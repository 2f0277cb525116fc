//! Nodes with leases over a real server.

use std::{sync::Arc, time::Duration};

use redis_servers::Server;
use tollgate::{
    Clock, Memory, Store, StoreError,
    store::redis::{
        Leases, LeasesSettings, Link, LinkSettings, Members, Redis, Shared, SharedSettings,
        TimeSource,
    },
};
use tollgate_core::{
    Amounts, Attributes, Decision, Demand, Policy, ReservationId, Standing, Unit,
    policy::{
        Limit, Measure,
        settings::{OnStoreFailure, SyncMode},
    },
};

/// A node as a gateway has one.
pub(crate) type Node = Arc<Redis<Leases>>;

/// Longer than calls take on a machine that does much else meanwhile.
const PATIENT: Duration = Duration::from_secs(10);

/// How a node is made.
pub(crate) struct Making<'a> {
    pub(crate) server: &'a Server,
    pub(crate) clock: &'a Clock,
    pub(crate) policy: &'a Policy,
    pub(crate) mode: OnStoreFailure,
    pub(crate) time: TimeSource,
}

impl Making<'_> {
    /// One of three nodes.
    pub(crate) async fn node(&self, owner: u64) -> Node {
        let leases = Leases::new(self.shared(owner).await, &LeasesSettings::of(self.clock));
        let node = Redis::new(leases, Memory::default(), self.mode, self.policy);
        node.note_members(Members { live: 3, rank: owner % 3 });
        assert!(node.recover(self.clock.now()).await);
        Arc::new(node)
    }

    /// The store that they share.
    pub(crate) async fn shared(&self, owner: u64) -> Shared {
        let mut link = LinkSettings::of(&self.server.url()).unwrap();
        link.timeout = PATIENT;
        let (node, time) = (format!("node-{owner}"), self.time);
        let settings = SharedSettings { node, owner, time, ..SharedSettings::default() };
        Shared::new(Link::connect(&link).await.unwrap(), &settings)
    }
}

/// A limit on tokens for all, in an hour.
pub(crate) fn tokens(cap: u64, sync: SyncMode) -> Limit {
    let hour = Measure::Window { length: Duration::from_secs(3_600), cap };
    Limit { sync, ..Limit::new("tokens", &[], Unit::Tokens, hour) }
}

pub(crate) const fn output(tokens: u64) -> Demand {
    Amounts { output_tokens: tokens, ..Amounts::ONE_REQUEST }
}

/// Asks once, as the gateway does.
pub(crate) async fn ask(
    store: &impl Store,
    (policy, who): (&Policy, &Attributes),
    (id, demand): (u128, Demand),
    clock: &Clock,
) -> Result<Decision, StoreError> {
    let now = clock.now();
    let expires = now.time.after(Duration::from_secs(600));
    let order = policy.order(ReservationId(id), who, &demand, now, expires);
    store.reserve(&order, now).await
}

/// Whether so many tokens are admitted.
pub(crate) async fn takes(
    store: &impl Store,
    policy: &Policy,
    (id, amount): (u128, u64),
    clock: &Clock,
) -> bool {
    let who = Attributes::new();
    let asked = ask(store, (policy, &who), (id, output(amount)), clock).await;
    matches!(asked.unwrap(), Decision::Admit(_))
}

/// Where the first limit stands in the shared store.
pub(crate) async fn left(store: &impl Store, policy: &Policy, clock: &Clock) -> Standing {
    let (now, who) = (clock.now(), Attributes::new());
    let order = policy.order(ReservationId(0), &who, &output(1), now, now.time);
    store.standings(&order, now).await.unwrap()[0]
}
