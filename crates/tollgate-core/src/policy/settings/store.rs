//! Where numbers are kept, and by how many nodes.

use std::{
    num::NonZeroU16,
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::values::{RedisPrefix, RedisUrl, Secret, Span, Word, span};

/// Where numbers are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Which kind of store; if not given, `redis` where one is named and else `embedded`.
    pub kind: StoreKind,
    /// The file of the ledger: `tollgate.db` if not given; a node of several keeps its ledger in
    /// memory then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// How long a permit lives unless it is renewed.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub hold_timeout: Duration,
    /// How long the ledger keeps the rows of what has ended, and names in its sums of spend;
    /// the sums of older ones stay. Ids are remembered for as long.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub retention: Duration,
    /// Where Redis is: `redis://user@host:6379/0`, `rediss://` for TLS, or `env:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<RedisUrl>,
    /// Several of them: those of a cluster, or the sentinels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<RedisUrl>,
    /// The host alone, in the place of an address: `localhost` if only a port or a database is
    /// given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Word>,
    /// The port of that host; 6379 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    /// The database of that host; 0 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<u32>,
    /// The user of Redis's access control list, where the address has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Word>,
    /// The password of Redis, where the address has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The sentinels' name of the server that they watch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<Word>,
    /// The sentinels' own password, where they have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel_password: Option<Secret>,
    /// Whether it is a Redis Cluster.
    pub cluster: bool,
    /// A file of certificates that Redis's own must be signed by; the system's if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// What every key in Redis begins with, so that several gateways can share one.
    pub prefix: RedisPrefix,
    /// How long one call of Redis may take before it counts as away.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub timeout: Duration,
    /// Connections to each server of Redis at once.
    pub max_connections: NonZeroU16,
    /// The node's name, the same after a restart: host and address if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Word>,
    /// What decides while Redis is away, for every limit that says nothing else.
    pub on_store_failure: OnStoreFailure,
}

/// The kinds of store that this version has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// Gone when the process ends.
    Memory,
    /// Memory decides, a ledger on disk remembers.
    #[default]
    Embedded,
    /// Several nodes decide together, in Redis or Valkey.
    Redis,
}

/// What decides while the shared store is away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStoreFailure {
    /// Each node lets pass its part of what was left.
    #[default]
    Share,
    /// Everything passes, and is counted.
    Open,
    /// Nothing passes.
    Closed,
}

/// How nodes decide together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncMode {
    /// Every decision is made in the shared store.
    Exact,
    /// Nodes hold parts of it and decide by themselves.
    Leased,
    /// Leased where an account is busy, and else exact.
    #[default]
    Auto,
}

/// One server of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServer {
    /// Its name or its IP address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is reached by TLS.
    pub is_tls: bool,
}

/// The port of Redis, and that of a sentinel.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// Where the embedded ledger is if nobody says.
const LEDGER: &str = "tollgate.db";

impl Store {
    /// The file of the node's ledger, if it has one.
    pub fn ledger(&self) -> Option<&Path> {
        match self.kind {
            StoreKind::Memory => None,
            StoreKind::Embedded => Some(self.path.as_deref().unwrap_or_else(|| LEDGER.as_ref())),
            StoreKind::Redis => self.path.as_deref(),
        }
    }

    /// The servers of Redis, or the sentinels that know them.
    pub fn servers(&self) -> Vec<RedisServer> {
        let usual = if self.sentinel.is_some() { SENTINEL_PORT } else { PORT };
        if !self.names_host() {
            let server = |url: &RedisUrl| RedisServer {
                host: url.host().to_owned(),
                port: url.port().unwrap_or(usual),
                is_tls: url.is_tls(),
            };
            return self.addresses().map(server).collect();
        }
        let host = self.host.as_ref().map_or("localhost", Word::as_str).to_owned();
        vec![RedisServer { host, port: self.port.map_or(usual, NonZeroU16::get), is_tls: false }]
    }

    /// The number of the database.
    pub fn database(&self) -> u32 {
        self.addresses().find_map(RedisUrl::database).or(self.database).unwrap_or(0)
    }

    /// Who it is to Redis, where it has a name.
    pub fn user(&self) -> Option<&str> {
        self.addresses().find_map(RedisUrl::user).or_else(|| Some(self.user.as_ref()?.as_str()))
    }

    /// The password of Redis, for sending it and never for showing it.
    pub fn password(&self) -> Option<&str> {
        let own = || self.password.as_ref().map(Secret::expose);
        self.addresses().find_map(RedisUrl::password).or_else(own)
    }

    /// Every address that is written.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &RedisUrl> {
        self.url.iter().chain(&self.urls)
    }

    /// Whether it says where Redis is by a host.
    pub(crate) const fn names_host(&self) -> bool {
        self.host.is_some() || self.port.is_some() || self.database.is_some()
    }

    /// Fills in what follows from all else: which kind it is, if nobody says, and its file.
    pub(crate) fn settle(&mut self, is_kind_given: bool) {
        if !is_kind_given && (self.names_host() || self.addresses().next().is_some()) {
            self.kind = StoreKind::Redis;
        }
        self.path = self.ledger().map(Path::to_path_buf).or_else(|| self.path.take());
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            kind: StoreKind::Embedded,
            path: None,
            hold_timeout: Duration::from_secs(600),
            retention: Duration::from_secs(400 * 86_400),
            url: None,
            urls: Vec::new(),
            host: None,
            port: None,
            database: None,
            user: None,
            password: None,
            sentinel: None,
            sentinel_password: None,
            cluster: false,
            ca: None,
            prefix: RedisPrefix::default(),
            timeout: Duration::from_millis(50),
            max_connections: const { NonZeroU16::new(4).unwrap() },
            node: None,
            on_store_failure: OnStoreFailure::Share,
        }
    }
}
