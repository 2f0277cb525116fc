//! Where Redis is, and what this node is called, by what the policy says.

use std::{net::SocketAddr, path::Path};

use tollgate::{
    Clock,
    store::redis::{
        LinkError, LinkSettings,
        link::{Address, Topology},
    },
};
use tollgate_core::policy::settings::{RedisServer, Store};

/// What a link to the policy's Redis is made by.
pub(super) fn settings(store: &Store, clock: &Clock) -> Result<LinkSettings, LinkError> {
    let topology = match (&store.sentinel, store.cluster) {
        (Some(master), _) => Topology::Sentinel(master.as_str().to_owned()),
        (None, true) => Topology::Cluster,
        (None, false) => Topology::Single,
    };
    let servers = store.servers().into_iter();
    let address = |RedisServer { host, port, is_tls }| Address { host, port, is_tls };
    let mut settings = LinkSettings::new(topology, servers.map(address).collect())?;
    settings.user = store.user().map(str::to_owned);
    settings.password = store.password().map(str::to_owned);
    settings.sentinel_password = store.sentinel_password.as_ref().map(|it| it.expose().to_owned());
    settings.database = store.database();
    settings.ca = store.ca.as_deref().map(read_ca).transpose()?;
    settings.timeout = store.timeout;
    settings.max_connections = store.max_connections.get().into();
    store.prefix.as_str().clone_into(&mut settings.prefix);
    settings.clock = clock.clone();
    Ok(settings)
}

fn read_ca(path: &Path) -> Result<Vec<u8>, LinkError> {
    std::fs::read(path).map_err(|error| {
        let shown = path.display();
        LinkError::Refused(format!("the certificates in {shown} cannot be read: {error}").into())
    })
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
    fn a_link_has_all_that_the_policy_says_and_shows_no_password() {
        let text = "urls = [\"rediss://u@[::1]:7\", \"rediss://u@b\"]\ncluster = true\npassword = \"env:P\"\nprefix = \"x\"\ntimeout = \"80ms\"";
        let made = settings(&store(text, "hunter2"), &Clock::system()).expect("settings");
        assert_eq!(made.topology, Topology::Cluster);
        let b = Address { host: "b".to_owned(), port: 6379, is_tls: true };
        assert_eq!((made.addresses().len(), &made.addresses()[1]), (2, &b));
        assert_eq!((made.user.as_deref(), made.password.as_deref()), (Some("u"), Some("hunter2")));
        assert_eq!((made.prefix.as_str(), made.timeout.as_millis()), ("x", 80));
        assert!(!format!("{made:?}").contains("hunter2"));
        let nowhere = store("url = \"rediss://a\"\nca = \"/nowhere.pem\"", "x");
        let error = settings(&nowhere, &Clock::system()).expect_err("no such file").to_string();
        assert!(error.contains("/nowhere.pem"), "{error}");
    }

    #[test]
    fn a_node_has_the_name_that_it_is_given_or_that_of_its_host_and_port() {
        let listen: SocketAddr = "127.0.0.1:8787".parse().expect("an address");
        assert_eq!(name(&store("host = \"a\"\nnode = \"eu-1\"", "x"), listen), "eu-1");
        assert!(name(&store("host = \"a\"", "x"), listen).ends_with(":8787"));
    }
}
