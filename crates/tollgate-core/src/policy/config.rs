//! A whole policy, ready for use.

use super::{Policy, PolicyError, Settings};
use crate::Attribute;

/// A whole policy: its limits compiled, its settings read, its secrets found.
#[derive(Debug)]
pub struct Config {
    /// The limits.
    pub policy: Policy,
    /// All the rest.
    pub settings: Settings,
    /// The profile that was chosen.
    pub profile: Option<String>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<PolicyError>,
    /// The policy as it holds after every overlay.
    pub(crate) effective: String,
}

impl Config {
    /// The policy as it holds after every overlay, as TOML with defaults filled in; secrets
    /// are shown as `env:NAME`.
    pub fn to_toml(&self) -> &str {
        &self.effective
    }

    /// Whether callers without key and name are let in.
    pub fn allows_anonymous(&self) -> bool {
        const IDENTITIES: [Attribute; 5] = [
            Attribute::User,
            Attribute::Session,
            Attribute::Team,
            Attribute::Customer,
            Attribute::Key,
        ];
        let per_identity = || {
            let mut limits = self.policy.limits().iter();
            limits.any(|limit| limit.per.iter().any(|attribute| IDENTITIES.contains(attribute)))
        };
        self.settings.identity.allow_anonymous.unwrap_or_else(|| !per_identity())
    }
}
