//! What operators have forced, beside what the policy says.

use std::collections::BTreeMap;

use compact_str::CompactString;
use tollgate_core::breaker::{BreakerSettings, Mode};

/// The forced circuits of one provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Forced {
    /// Of all its models, but for those that have their own.
    pub(crate) all: Option<Mode>,
    /// Of single models.
    pub(crate) models: BTreeMap<CompactString, Mode>,
}

impl Forced {
    /// What is forced of a model.
    pub(crate) fn of(&self, model: &str) -> Option<Mode> {
        self.models.get(model).copied().or(self.all)
    }

    /// The breaker of a model, as the policy and the operators have it.
    pub(super) fn settings(&self, model: &str, policy: &BreakerSettings) -> BreakerSettings {
        let mode = self.of(model).unwrap_or(policy.mode);
        BreakerSettings { mode, ..policy.clone() }
    }
}
