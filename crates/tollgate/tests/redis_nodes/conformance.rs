//! The suite that every store passes.

use std::time::Duration;

use redis_servers::Server;
use tollgate::store::redis::Redis;

use crate::support::node;

async fn make() -> (Redis, Server) {
    let server = Server::start().await.unwrap();
    (node(&server, 1, Duration::from_secs(10)).await, server)
}

tollgate::conformance!(make);
