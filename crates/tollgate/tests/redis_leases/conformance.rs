//! The suite that every store passes, by nodes that may lease.

use redis_servers::Server;
use tollgate::{
    Clock,
    conformance::NOON,
    store::redis::{Leases, Redis, TimeSource},
};
use tollgate_core::{Policy, policy::settings::OnStoreFailure};

use crate::support::Making;

async fn make() -> (Redis<Leases>, (Server, Clock)) {
    let (server, clock) = (Server::start().await.unwrap(), Clock::set_at(NOON));
    let policy = Policy::new(Vec::new()).unwrap();
    let (mode, time) = (OnStoreFailure::Closed, TimeSource::Caller);
    let making = Making { server: &server, clock: &clock, policy: &policy, mode, time };
    let node = making.node(1).await;
    let node = std::sync::Arc::into_inner(node).unwrap();
    (node, (server, clock))
}

tollgate::conformance!(make);
