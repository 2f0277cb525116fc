//! How cautiously a quota is used.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::values::{Span, span};

/// How cautiously a provider's quota is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaSettings {
    /// How long a request may take from here until the provider has counted it.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub grace: Duration,
    /// Over how long what was held back is spread when the provider has room again.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub spread: Duration,
    /// How what is left grows.
    pub refill: Refill,
}

/// How what is left grows until the reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refill {
    /// Evenly once the provider's own numbers have shown it, and not at all before.
    #[default]
    Learned,
    /// Not at all, and all of it is there at the reset. It is the safe one, whatever the
    /// provider does.
    AtReset,
    /// Evenly, as that of a bucket: with it requests need not wait for the reset.
    Evenly,
}

impl Default for QuotaSettings {
    fn default() -> Self {
        Self {
            grace: Duration::from_millis(500),
            spread: Duration::from_secs(10),
            refill: Refill::default(),
        }
    }
}
