//! A policy file as a whole: what may stand at its top level.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    environment::Declared,
    limits::{LaterRead, LimitEntry},
    settings::{
        Access, Alerts, Cache, Emergency, Estimates, Identity, Log, NamedModel, Prices, Provider,
        Sandbox, Server, Session, Settings, StaticKey, Store, Tasks,
    },
    values::Secret,
};

/// A Tollgate policy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct File {
    /// The preset that this policy is laid over.
    #[schemars(with = "Option<String>")]
    extends: Option<IgnoredAny>,
    /// Further environment variables, and what each sets.
    #[schemars(with = "BTreeMap<String, Declared>")]
    environment: Option<IgnoredAny>,
    /// Overlays by name, one of which `--profile` or `TOLLGATE_ENV` chooses.
    #[schemars(with = "BTreeMap<String, Overlay>")]
    profile: Option<IgnoredAny>,
    /// The rules.
    #[schemars(with = "Vec<LimitEntry>")]
    limits: Vec<LaterRead>,
    /// Where the process listens and what it bears with.
    server: Server,
    /// Where numbers are kept.
    store: Store,
    /// Whom the gateway takes callers to be.
    identity: Identity,
    /// The cookie of browsers' sessions.
    session: Session,
    /// What Tollgate makes its own keys from.
    secret: Option<Secret>,
    /// Keys that callers may present.
    keys: Vec<StaticKey>,
    /// Who may use `/v1`.
    api: Access,
    /// Who may use the control plane.
    admin: Access,
    /// Who is told when something is wrong.
    alerts: Alerts,
    /// Where requests go, by the first segment of their path.
    providers: BTreeMap<String, Provider>,
    /// Names with several models behind them, as requests name models.
    models: BTreeMap<String, NamedModel>,
    /// The simulated model.
    sandbox: Sandbox,
    /// What models cost.
    prices: Prices,
    /// What requests reserve.
    estimates: Estimates,
    /// Which answers are kept.
    cache: Cache,
    /// Who passes in an emergency, and what begins one.
    emergency: Emergency,
    /// How long background tasks may take.
    tasks: Tasks,
    /// What is logged.
    log: Log,
}

/// A profile: what it changes of the policy it stands in.
struct Overlay;

impl JsonSchema for Overlay {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Overlay".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "$ref": "#" })
    }
}

impl From<File> for Settings {
    fn from(file: File) -> Self {
        let File { server, store, identity, session, keys, api, admin, providers, .. } = file;
        let File { models, sandbox, prices, estimates, cache, log, secret, tasks, .. } = file;
        let whom = Self { identity, session, secret, keys, api, admin, ..Self::default() };
        let rest = Self { sandbox, prices, estimates, cache, tasks, log, ..whom };
        let rest = Self { alerts: file.alerts, emergency: file.emergency, ..rest };
        Self { server, store, providers, models, ..rest }
    }
}
