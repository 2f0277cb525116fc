//! Stores over real servers, in virtual time.

use std::time::Duration;

use redis_servers::{Cluster, Server};
use tokio::runtime::Runtime;
use tollgate::{
    Store as _,
    core::Now,
    store::redis::{Link, LinkSettings, Shared, SharedSettings, TimeSource, link::Topology},
};

/// Longer than calls take on a machine that does much else meanwhile.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Histories of each test: some, or many; fewer where each takes long.
pub(crate) fn histories(many: u32) -> u32 {
    if std::env::var_os("TOLLGATE_LONG").is_some() { many } else { 24 }
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn settings(owner: u64) -> SharedSettings {
    let time = TimeSource::Caller;
    SharedSettings { node: format!("node-{owner}"), owner, time, ..SharedSettings::default() }
}

/// A way to a server.
pub(crate) async fn link(server: &Server) -> Link {
    link_for(server, TIMEOUT).await
}

/// A way to a server that is given up after so long.
pub(crate) async fn link_for(server: &Server, timeout: Duration) -> Link {
    let mut link = LinkSettings::of(&server.url()).unwrap();
    link.timeout = timeout;
    Link::connect(&link).await.unwrap()
}

/// A way to a cluster.
pub(crate) async fn link_to(cluster: &Cluster) -> Link {
    link_to_within(cluster, TIMEOUT).await
}

/// A way to a cluster each call of which is given up after so long.
pub(crate) async fn link_to_within(cluster: &Cluster, timeout: Duration) -> Link {
    let urls = cluster.urls();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let mut link = LinkSettings::of_all(Topology::Cluster, &urls).unwrap();
    link.timeout = timeout;
    Link::connect(&link).await.unwrap()
}

/// A store of the node `owner`.
pub(crate) fn shared_over(link: &Link, owner: u64) -> Shared {
    Shared::new(link.clone(), &settings(owner))
}

/// A store of the node `owner` over a server.
pub(crate) async fn shared(server: &Server, owner: u64) -> Shared {
    shared_over(&link(server).await, owner)
}

/// Forgets all that a cluster keeps.
pub(crate) async fn emptied(cluster: &Cluster) {
    for node in cluster.nodes() {
        // Replicas refuse, and are emptied by their masters.
        let _refused = node.command(&["FLUSHALL"]).await;
    }
}

/// Waits until a store is answered in all tags.
pub(crate) async fn answers_again(store: &Shared, now: Now) {
    let answers = async {
        while store.expire(now).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(redis_servers::PATIENCE, answers).await.unwrap();
}
