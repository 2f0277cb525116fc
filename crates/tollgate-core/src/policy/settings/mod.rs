//! All of a policy that is not a limit: where to listen, what to keep, whom to trust,
//! which providers there are and what their models cost.
//!
//! The types are read from the file as they are; a key that is not given has the default
//! that is written here.

mod access;
mod alert_defaults;
mod alerts;
mod cache;
mod emergency;
mod estimates;
mod learn;
mod methods;
mod model;
mod prices;
mod provider;
mod route;
mod sandbox;
mod server;
mod session;
mod sink;
mod store;
mod tasks;

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::Secret;

pub use access::{Access, Identity, StaticKey};
pub(crate) use alert_defaults::Usual;
pub use alerts::{Alert, AlertRule, Alerts};
pub use cache::{Cache, CacheScope, Meaning, Temperature};
pub use emergency::{Emergency, Trigger};
pub use estimates::{Estimates, OpenInput, Plain};
pub use learn::Learn;
pub use methods::Methods;
pub(crate) use model::is_model;
pub use model::{Candidate, Fallback, ModelPath, NamedModel};
pub use prices::{
    Assumed, Dollars, ModelPrice, PricePerCall, PricePerMillion, PricePerMinute, Prices, Unpriced,
};
pub use provider::{Aws, Dialect, Mount, Provider};
pub use route::{Route, Routes, SessionUse};
pub use sandbox::{LimitRefill, Outage, OutageFault, Sandbox};
pub use server::{Alias, Log, LogFormat, LogLevel, Server};
pub use session::Session;
pub use sink::{Form, Sink, SinkKind};
pub(crate) use sink::{NUMBERS, PLACEHOLDERS};
pub use store::{OnStoreFailure, RedisServer, Store, StoreKind, SyncMode};
pub use tasks::Tasks;

/// All of a policy that is not a limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where it listens and what it bears with.
    pub server: Server,
    /// Where numbers are kept.
    pub store: Store,
    /// Whom it takes callers to be.
    pub identity: Identity,
    /// The cookie of browsers' sessions.
    pub session: Session,
    /// What Tollgate makes its own keys from: at least 32 bytes, usually the variable
    /// `TOLLGATE_SECRET`. Without one, a key is made and kept beside the ledger, and
    /// callers' own provider keys cannot be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Keys that callers may present.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<StaticKey>,
    /// Who may use `/v1`.
    pub api: Access,
    /// Who may use the control plane.
    pub admin: Access,
    /// Who is told when something is wrong.
    pub alerts: Alerts,
    /// Where requests go, by the first segment of their path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<String, Provider>,
    /// Names with several models behind them, as requests name models.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, NamedModel>,
    /// The simulated model.
    pub sandbox: Sandbox,
    /// What models cost.
    pub prices: Prices,
    /// What requests reserve.
    pub estimates: Estimates,
    /// Which answers are kept.
    pub cache: Cache,
    /// Who passes in an emergency, and what begins one.
    pub emergency: Emergency,
    /// How long background tasks may take.
    pub tasks: Tasks,
    /// What is logged.
    pub log: Log,
}

impl Settings {
    /// How much longer than its time a kept answer stays: not at all where no name falls back
    /// on the cache.
    pub fn stale(&self) -> Duration {
        let falls = self.models.values().any(|named| named.fallback == Fallback::Cache);
        if falls { self.cache.stale } else { Duration::ZERO }
    }
}
