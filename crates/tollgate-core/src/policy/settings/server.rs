//! The process: where it listens, what it bears with, what it logs.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::values::{Address, Path, Size, Span, address, size, span};

/// Where the process listens and what it bears with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The data plane: gateway and `/v1`.
    #[serde(with = "address")]
    #[schemars(with = "Address")]
    pub listen: SocketAddr,
    /// The control plane.
    #[serde(with = "address")]
    #[schemars(with = "Address")]
    pub admin_listen: SocketAddr,
    /// How long a request's head may take from its first byte to its last.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub header_timeout: Duration,
    /// How long a body may stand still, either way.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub body_idle_timeout: Duration,
    /// How long a connection may be silent between requests, and before the first.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub keep_alive_timeout: Duration,
    /// Connections at once; more wait to be accepted.
    pub max_connections: NonZeroU32,
    /// How long running requests may take to end once the process is told to.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub shutdown_grace: Duration,
    /// The bound of request bodies of the AI dialects and of `/v1`, in bytes.
    #[serde(with = "size")]
    #[schemars(with = "Size")]
    pub max_body: u64,
    /// Paths at which Tollgate itself answers too, before any application: those by which a
    /// system that it takes the place of was asked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<Path, Alias>,
}

/// What is answered at an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Alias {
    /// Whether it is healthy and how full it is, for everybody.
    Health,
    /// Whether it is healthy and whether each of its parts is, for everybody.
    Checks,
    /// What the asking user has used and has left.
    Stats,
}

/// What is logged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least urgent lines that are still logged.
    pub level: LogLevel,
    /// The shape of a line.
    pub format: LogFormat,
}

/// How urgent a line must be to be logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names that every log has")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

impl LogLevel {
    /// The name as it is written in a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            listen: SocketAddr::new(loopback, 8787),
            admin_listen: SocketAddr::new(loopback, 8788),
            header_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(60),
            keep_alive_timeout: Duration::from_secs(75),
            max_connections: const { NonZeroU32::new(10_000).unwrap() },
            shutdown_grace: Duration::from_secs(30),
            max_body: 32 << 20,
            aliases: BTreeMap::new(),
        }
    }
}
