//! Where Redis is, and what this node is called, by what the policy says.

use std::net::SocketAddr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tollgate::{
    Clock,
    store::redis::{LinkError, LinkSettings, link::Topology},
};
use tollgate_core::policy::settings::{RedisServer, Store};

/// What a link to the policy's Redis is made by.
pub(super) fn settings(store: &Store, clock: &Clock) -> Result<LinkSettings, LinkError> {
    let topology = match (&store.sentinel, store.cluster) {
        (Some(master), _) => Topology::Sentinel(master.as_str().to_owned()),
        (None, true) => Topology::Cluster,
        (None, false) => Topology::Single,
    };
    let addresses: Vec<String> =
        store.servers().iter().map(|server| address(store, server)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut settings = LinkSettings::of_all(topology, &addresses)?;
    settings.timeout = store.timeout;
    settings.max_connections = store.max_connections.get().into();
    store.prefix.as_str().clone_into(&mut settings.prefix);
    settings.clock = clock.clone();
    Ok(settings)
}

/// The address of one server, password and all: never shown.
fn address(store: &Store, server: &RedisServer) -> String {
    let scheme = if server.is_tls { "rediss" } else { "redis" };
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let user = store.user().map(encoded).unwrap_or_default();
    let who = match store.password() {
        Some(password) => format!("{user}:{}@", encoded(password)),
        None if user.is_empty() => String::new(),
        None => format!("{user}@"),
    };
    let RedisServer { host, port, .. } = server;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    format!("{scheme}://{who}{host}:{port}/{}", store.database())
}

/// What this node is called: the same after a restart.
pub(super) fn name(store: &Store, listen: SocketAddr) -> String {
    if let Some(name) = &store.node {
        return name.as_str().to_owned();
    }
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    let host: String = host.chars().filter(char::is_ascii_graphic).take(128).collect();
    format!("{host}:{}", listen.port())
}

#[cfg(test)]
mod tests {
    use tollgate_core::policy::{Environment, Sources};

    use super::*;

    fn store(text: &str, password: &str) -> Store {
        let variables = [("P".to_owned(), password.to_owned())];
        let sources = Sources {
            file: Some(("p.toml".to_owned(), format!("[store]\n{text}"))),
            environment: Environment::new(variables, None).expect("no file"),
            ..Sources::default()
        };
        sources.load().expect("a policy").settings.store
    }

    #[test]
    fn an_address_has_all_that_the_policy_says() {
        for (text, expected) in [
            ("host = \"a\"", "redis://a:6379/0"),
            (
                "url = \"rediss://u@[::1]:7/3\"\npassword = \"env:P\"",
                "rediss://u:p%40%2F@[::1]:7/3",
            ),
            ("port = 7\npassword = \"env:P\"", "redis://:p%40%2F@localhost:7/0"),
        ] {
            let store = store(text, "p@/");
            assert_eq!(address(&store, &store.servers()[0]), expected);
        }
    }

    #[test]
    fn a_node_has_the_name_that_it_is_given_or_that_of_its_host_and_port() {
        let listen: SocketAddr = "127.0.0.1:8787".parse().expect("an address");
        assert_eq!(name(&store("host = \"a\"\nnode = \"eu-1\"", "x"), listen), "eu-1");
        assert!(name(&store("host = \"a\"", "x"), listen).ends_with(":8787"));
    }
}
