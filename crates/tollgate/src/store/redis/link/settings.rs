//! What a link is made by.

use std::{fmt, time::Duration};

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    TlsCertificates, io::tcp::TcpSettings,
};

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

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Its name or its IP address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is reached by TLS.
    pub is_tls: bool,
}

/// Where Redis is and how it is asked. Printed without its secrets.
#[derive(Clone)]
pub struct LinkSettings {
    /// How the servers stand to each other.
    pub topology: Topology,
    /// The user of the access control list; the one of all if not given.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The sentinels' own password.
    pub sentinel_password: Option<String>,
    /// The number of the database; a cluster has none but 0.
    pub database: u32,
    /// Certificates, in PEM, by which the servers' must be signed; the system's if not given.
    pub ca: Option<Vec<u8>>,
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
    addresses: Vec<Address>,
}

/// How long a call may take by default.
pub const TIMEOUT: Duration = Duration::from_millis(50);

impl LinkSettings {
    /// Of servers at these addresses.
    ///
    /// # Errors
    /// When there are too few or too many.
    pub fn new(topology: Topology, addresses: Vec<Address>) -> Result<Self, LinkError> {
        let fits = match topology {
            Topology::Single => addresses.len() == 1,
            Topology::Sentinel(_) | Topology::Cluster => !addresses.is_empty(),
        };
        if !fits {
            return Err(LinkError::refused(match topology {
                Topology::Single => "one address is needed where there is no cluster or sentinel",
                _ => "at least one address of a cluster or a sentinel is needed",
            }));
        }
        Ok(Self {
            topology,
            user: None,
            password: None,
            sentinel_password: None,
            database: 0,
            ca: None,
            timeout: TIMEOUT,
            connect_timeout: Duration::from_millis(500),
            max_connections: 2,
            prefix: "tg".to_owned(),
            clock: Clock::system(),
            addresses,
        })
    }

    /// Of one server at `redis://user:password@host:port/database`, or `rediss://` over TLS.
    ///
    /// # Errors
    /// When that is no such address. It is not repeated, since it may have a password.
    pub fn of(url: &str) -> Result<Self, LinkError> {
        Self::of_all(Topology::Single, &[url])
    }

    /// Of several servers, with the user, the password and the database that the first names.
    ///
    /// # Errors
    /// When one of the addresses is none, or there are too few or too many.
    pub fn of_all(topology: Topology, urls: &[&str]) -> Result<Self, LinkError> {
        let read = urls.iter().map(|url| read(url)).collect::<Result<Vec<_>, _>>()?;
        let (addresses, rights): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        let mut settings = Self::new(topology, addresses)?;
        if let Some(rights) = rights.first() {
            settings.user = rights.username().map(str::to_owned);
            settings.password = rights.password().map(str::to_owned);
            settings.database = u32::try_from(rights.db()).unwrap_or_default();
        }
        Ok(settings)
    }

    /// The addresses that were named: the servers', or the sentinels'.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// What connects to one of the servers.
    pub(super) fn client(&self, address: &Address) -> Result<Client, LinkError> {
        let mut rights = RedisConnectionInfo::default().set_db(i64::from(self.database));
        if let Some(user) = &self.user {
            rights = rights.set_username(user);
        }
        if let Some(password) = &self.password {
            rights = rights.set_password(password);
        }
        self.open(address, rights)
    }

    /// What connects to one of the sentinels.
    pub(super) fn sentinel(&self, address: &Address) -> Result<Client, LinkError> {
        let mut rights = RedisConnectionInfo::default();
        if let Some(password) = &self.sentinel_password {
            rights = rights.set_password(password);
        }
        self.open(address, rights)
    }

    fn open(&self, address: &Address, rights: RedisConnectionInfo) -> Result<Client, LinkError> {
        let Address { host, port, is_tls } = address.clone();
        if is_tls {
            // Whoever has chosen a provider of cryptography for the process keeps it.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let place = if is_tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = (place.into_connection_info())
            .map(|info: ConnectionInfo| info.set_redis_settings(rights).set_tcp_settings(tcp));
        let client = match &self.ca {
            Some(ca) if is_tls => {
                let signed = TlsCertificates { client_tls: None, root_cert: Some(ca.clone()) };
                info.and_then(|info| Client::build_with_tls(info, signed))
            }
            _ => info.and_then(Client::open),
        };
        client.map_err(|_| {
            LinkError::refused("its address or the certificates of `ca` cannot be used")
        })
    }
}

/// Where it is and whom it lets in.
fn read(url: &str) -> Result<(Address, RedisConnectionInfo), LinkError> {
    let wrong = || {
        LinkError::refused(
            "an address is not of the form redis://user:password@host:port/database, or \
             rediss:// with TLS",
        )
    };
    let info = url.into_connection_info().map_err(|_| wrong())?;
    let (host, port, is_tls) = match info.addr() {
        ConnectionAddr::Tcp(host, port) => (host, *port, false),
        ConnectionAddr::TcpTls { host, port, insecure: false, .. } => (host, *port, true),
        _ => return Err(wrong()),
    };
    let address = Address { host: host.clone(), port, is_tls };
    Ok((address, info.redis_settings().clone()))
}

impl fmt::Debug for LinkSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkSettings")
            .field("topology", &self.topology)
            .field("addresses", &self.addresses)
            .field("database", &self.database)
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
        assert_eq!(settings.password.as_deref(), Some("hunter2"));
        let printed = format!("{settings:?}");
        assert!(printed.contains("127.0.0.1") && !printed.contains("hunter2"), "{printed}");
        for wrong in ["http://me:hunter2@host", "redis://me:hunter2@host:port", "hunter2"] {
            let error = LinkSettings::of(wrong).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn certificates_cannot_be_left_unread() {
        assert!(LinkSettings::of("rediss://host:1/#insecure").is_err());
        assert!(LinkSettings::of("rediss://host:1").is_ok());
    }

    #[test]
    fn a_single_server_has_one_address_and_others_at_least_one() {
        let url = "redis://127.0.0.1:7000";
        assert!(LinkSettings::of_all(Topology::Single, &[url, url]).is_err());
        assert!(LinkSettings::of_all(Topology::Cluster, &[]).is_err());
        assert!(LinkSettings::of_all(Topology::Cluster, &[url, url]).is_ok());
    }
}
