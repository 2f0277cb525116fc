//! What a link is made by.

use std::{fmt, time::Duration};

use redis::{ConnectionInfo, IntoConnectionInfo, io::tcp::TcpSettings};

use crate::Clock;

use super::error::LinkError;

/// How servers stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Single,
    /// One of several, of which sentinels know the master by this name. The addresses are the
    /// sentinels'.
    Sentinel(String),
    /// A cluster, of which some addresses are named.
    Cluster,
}

/// Where Redis is and how it is asked. Printed without its secrets.
#[derive(Clone)]
pub struct LinkSettings {
    /// How the servers stand to each other.
    pub topology: Topology,
    /// How long any call may take, waiting for its turn included.
    pub timeout: Duration,
    /// How long it may take to connect.
    pub connect_timeout: Duration,
    /// How many connections this process may have to one server, those of subscriptions aside.
    pub max_connections: usize,
    /// What every key begins with.
    pub prefix: String,
    /// What tells since when it is away.
    pub clock: Clock,
    addresses: Vec<ConnectionInfo>,
}

/// How long a call may take by default.
pub const TIMEOUT: Duration = Duration::from_millis(50);

impl LinkSettings {
    /// Of one server at `redis://user:password@host:port/database`, or `rediss://` over TLS.
    ///
    /// # Errors
    /// When that is no such address. It is not repeated, since it may have a password.
    pub fn of(url: &str) -> Result<Self, LinkError> {
        Self::of_all(Topology::Single, &[url])
    }

    /// Of several servers.
    ///
    /// # Errors
    /// When one of the addresses is none, or there are too few or too many.
    pub fn of_all(topology: Topology, urls: &[&str]) -> Result<Self, LinkError> {
        let fits = if topology == Topology::Single { urls.len() == 1 } else { !urls.is_empty() };
        if !fits {
            return Err(LinkError::refused(match topology {
                Topology::Single => {
                    "one address is needed where neither a cluster nor sentinels are"
                }
                _ => "at least one address of a cluster or a sentinel is needed",
            }));
        }
        let addresses = urls.iter().map(|url| address(url)).collect::<Result<_, _>>()?;
        Ok(Self {
            topology,
            timeout: TIMEOUT,
            connect_timeout: Duration::from_millis(500),
            max_connections: 2,
            prefix: "tg".to_owned(),
            clock: Clock::system(),
            addresses,
        })
    }

    pub(super) fn addresses(&self) -> &[ConnectionInfo] {
        &self.addresses
    }
}

fn address(url: &str) -> Result<ConnectionInfo, LinkError> {
    let address = url.into_connection_info().map_err(|_| {
        LinkError::refused(
            "an address is not of the form redis://user:password@host:port/database, or \
             rediss:// with TLS",
        )
    })?;
    Ok(address.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

impl fmt::Debug for LinkSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> =
            self.addresses.iter().map(|address| address.addr().to_string()).collect();
        f.debug_struct("LinkSettings")
            .field("topology", &self.topology)
            .field("addresses", &addresses)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_connections", &self.max_connections)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_neither_printed_nor_told_by_an_error() {
        let settings = LinkSettings::of("redis://me:hunter2@127.0.0.1:7000/3").unwrap();
        let printed = format!("{settings:?}");
        assert!(printed.contains("127.0.0.1:7000") && !printed.contains("hunter2"), "{printed}");
        for wrong in ["http://me:hunter2@host", "redis://me:hunter2@host:port", "hunter2"] {
            let error = LinkSettings::of(wrong).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_single_server_has_one_address_and_others_at_least_one() {
        let url = "redis://127.0.0.1:7000";
        assert!(LinkSettings::of_all(Topology::Single, &[url, url]).is_err());
        assert!(LinkSettings::of_all(Topology::Cluster, &[]).is_err());
        assert!(LinkSettings::of_all(Topology::Cluster, &[url, url]).is_ok());
    }
}
