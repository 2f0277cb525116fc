//! Stores over real servers, in virtual time.

use std::time::Duration;

use redis_servers::Server;
use tollgate::store::redis::{Link, LinkSettings, Shared, SharedSettings, TimeSource};

/// Longer than calls take on a machine that does much else meanwhile.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn settings(owner: u64) -> SharedSettings {
    let time = TimeSource::Caller;
    SharedSettings { node: format!("node-{owner}"), owner, time, ..SharedSettings::default() }
}

/// A store of the node `owner` over a server.
pub(crate) async fn shared(server: &Server, owner: u64) -> Shared {
    let mut link = LinkSettings::of(&server.url()).unwrap();
    link.timeout = TIMEOUT;
    Shared::new(Link::connect(&link).await.unwrap(), &settings(owner))
}
