//! What is learned of a provider, and how it is minded.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    adaptive::{ConcurrencySettings, IntervalSettings},
    policy::values::{Span, span},
    quota::QuotaSettings,
};

/// What is learned of a provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Learn {
    /// Whether the limits that it announces are kept to: nothing is sent that it would refuse.
    pub announced: bool,
    /// How long a request waits at most for the provider to have room, within its caller's
    /// own deadline; where another provider can serve it, it does not wait.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub wait: Duration,
    /// How cautiously what it announces is used.
    pub quota: QuotaSettings,
    /// How many requests at once each of its models bears, found by its pace; as many as come
    /// if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencySettings>,
    /// How far apart requests to it begin, the further the more of them fail; not at all if
    /// not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<IntervalSettings>,
}

impl Default for Learn {
    fn default() -> Self {
        Self {
            announced: true,
            wait: Duration::from_secs(30),
            quota: QuotaSettings::default(),
            concurrency: None,
            interval: None,
        }
    }
}
