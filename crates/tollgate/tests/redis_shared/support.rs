//! Stores over real servers, in virtual time.

use std::time::Duration;

use redis_servers::{Cluster, Server};
use tollgate::store::redis::{
    Link, LinkSettings, Shared, SharedSettings, TimeSource, link::Topology,
};

/// Longer than calls take on a machine that does much else meanwhile.
const TIMEOUT: Duration = Duration::from_secs(10);

fn settings(owner: u64) -> SharedSettings {
    let time = TimeSource::Caller;
    SharedSettings { node: format!("node-{owner}"), owner, time, ..SharedSettings::default() }
}

/// A store of the node `owner` over a server.
pub(crate) async fn shared(server: &Server, owner: u64) -> Shared {
    let mut link = LinkSettings::of(&server.url()).unwrap();
    link.timeout = TIMEOUT;
    Shared::new(Link::connect(&link).await.unwrap(), &settings(owner))
}

/// Forgets all that a cluster keeps.
pub(crate) async fn emptied(cluster: &Cluster) {
    for node in cluster.nodes() {
        // Replicas refuse, and are emptied by their masters.
        let _refused = node.command(&["FLUSHALL"]).await;
    }
}

/// A store of the node `owner` over a cluster.
pub(crate) async fn shared_in(cluster: &Cluster, owner: u64) -> Shared {
    let urls = cluster.urls();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let mut link = LinkSettings::of_all(Topology::Cluster, &urls).unwrap();
    link.timeout = TIMEOUT;
    Shared::new(Link::connect(&link).await.unwrap(), &settings(owner))
}
