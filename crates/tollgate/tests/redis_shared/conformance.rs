//! The suite that every store passes.

mod one_server {
    use redis_servers::Server;
    use tollgate::store::redis::Shared;

    use crate::support::shared;

    async fn make() -> (Shared, Server) {
        let server = Server::start().await.unwrap();
        (shared(&server, 1).await, server)
    }

    tollgate::conformance!(make);
}

/// A user's cells and those of all lie in different slots, so that orders are held part by part.
mod cluster {
    use redis_servers::{Cluster, Program};
    use tollgate::store::redis::Shared;

    use crate::support::{emptied, link_to, shared_over};

    async fn begin() -> Cluster {
        Cluster::start(Program::Redis, 1000).await.unwrap()
    }

    async fn make(cluster: &Cluster) -> Shared {
        emptied(cluster).await;
        shared_over(&link_to(cluster).await, 1)
    }

    tollgate::conformance!(in turn begin, make);
}
