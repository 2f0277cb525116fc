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
