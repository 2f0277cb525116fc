//! The policy in force, made ready for requests: keys by hash, providers with their
//! clients, prices by model. It is replaced whole, never changed.

use std::sync::Arc;

use tollgate::Clock;
use tollgate_core::{
    Policy, Unit,
    policy::{Config, PolicyError, Settings, settings::Alias},
};

use crate::{keys::KeyRing, prices::Prices, providers::Providers};

/// One policy, ready for requests.
#[derive(Debug)]
pub(crate) struct Live {
    /// All of it that is not a limit.
    pub(crate) settings: Settings,
    /// Its limits, as the gate has them.
    pub(crate) policy: Arc<Policy>,
    /// Whether any of them that can refuse counts money or tokens.
    pub(crate) counts_use: bool,
    /// Whether callers without key and name are let in.
    pub(crate) allows_anonymous: bool,
    /// The keys that callers may present.
    pub(crate) keys: KeyRing,
    /// Where requests go.
    pub(crate) providers: Providers,
    /// What models cost.
    pub(crate) prices: Prices,
    /// The profile that was chosen.
    pub(crate) profile: Option<String>,
    /// What is allowed but probably not meant.
    pub(crate) warnings: Vec<PolicyError>,
    /// The policy as it holds after every overlay, as TOML without secrets.
    pub(crate) effective: String,
}

impl Live {
    /// Takes a policy apart: its limits, for the gate, and all the rest. Clients towards
    /// providers that did not change are those of the `previous` one, with their pools.
    ///
    /// # Errors
    /// When the client towards a provider cannot be made.
    pub(crate) fn new(
        config: Config,
        previous: Option<&Self>,
        clock: &Clock,
    ) -> anyhow::Result<(Policy, Self)> {
        let allows_anonymous = config.allows_anonymous();
        let effective = config.to_toml().to_owned();
        let Config { policy, settings, profile, warnings, .. } = config;
        let counts_use =
            policy.limits().iter().any(|limit| limit.refuses() && limit.unit != Unit::Requests);
        let live = Self {
            counts_use,
            keys: KeyRing::new(&settings.keys),
            providers: Providers::new(&settings, previous.map(|live| &live.providers), clock)?,
            prices: Prices::new(&settings.prices),
            policy: Arc::default(),
            settings,
            allows_anonymous,
            profile,
            warnings,
            effective,
        };
        Ok((policy, live))
    }

    /// What Tollgate itself answers at a path that is another's elsewhere.
    pub(crate) fn alias(&self, path: &str) -> Option<Alias> {
        let mut aliases = self.settings.server.aliases.iter();
        aliases.find(|(alias, _)| alias.as_str() == path).map(|(_, what)| *what)
    }

    /// Tells policies apart: the same for nodes that serve the same.
    pub(crate) fn fingerprint(&self) -> String {
        fingerprint(&self.effective)
    }

    /// With its limits, as the gate has them.
    pub(crate) fn under(self, policy: Arc<Policy>) -> Self {
        Self { policy, ..self }
    }
}

/// What each node has of its own: what it is called, where it listens and keeps its ledger.
const OWN: [(&str, &[&str]); 2] =
    [("server", &["listen", "admin_listen"]), ("store", &["node", "path"])];

fn fingerprint(effective: &str) -> String {
    let mut policy: toml::Table = effective.parse().unwrap_or_default();
    for (table, names) in OWN {
        if let Some(toml::Value::Table(table)) = policy.get_mut(table) {
            table.retain(|name, _| !names.contains(&name));
        }
    }
    blake3::hash(policy.to_string().as_bytes()).to_hex()[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn nodes_serve_one_policy_whatever_each_has_of_its_own() {
        let policy = |node: &str, port: u16, prefix: &str| {
            fingerprint(&format!(
                "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\nnode = \"{node}\"\npath = \"{node}.db\"\nprefix = \"{prefix}\"\n"
            ))
        };
        assert_eq!(policy("a", 1, "tg"), policy("b", 2, "tg"));
        assert_ne!(policy("a", 1, "tg"), policy("a", 1, "other"));
    }
}
