//! Emergency mode: everything to its minimum, and only critical work passes.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Attribute, Attributes,
    alert::AlertName,
    policy::{
        Pattern,
        values::{Span, span},
    },
    queue::Priority,
};

/// Emergency mode: who passes while it is on, how long it lasts, and what begins it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Emergency {
    /// Whether there is such a thing; false refuses to begin one.
    pub enabled: bool,
    /// How long it lasts if nobody says.
    #[serde(rename = "for", with = "span")]
    #[schemars(with = "Span")]
    pub lasts: Duration,
    /// How long it may last at most, however often it is begun anew.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub longest: Duration,
    /// How long after an operator ended one it does not begin by itself.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub cool_down: Duration,
    /// What begins it by itself.
    pub start_on: Vec<Trigger>,
    /// Which requests are critical, beside those of priority `critical`: each entry names
    /// attributes and what they must match, in which `*` stands for any run of characters, and
    /// one entry that fits is enough.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub critical: Vec<BTreeMap<String, String>>,
    /// Cheaper models in the place of these, where whoever begins it wants that: a model of the
    /// same provider, or a name of the policy's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub downgrade: BTreeMap<String, String>,
}

/// What begins an emergency by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Money is spent far faster than usual.
    CostSpike,
    /// A budget for all together is spent.
    BudgetExhausted,
    /// The health of the whole is critical.
    CriticalHealth,
}

impl Default for Emergency {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            enabled: true,
            lasts: 30 * MINUTE,
            longest: 24 * 60 * MINUTE,
            critical: Vec::new(),
            downgrade: BTreeMap::new(),
            start_on: Vec::new(),
            cool_down: 15 * MINUTE,
        }
    }
}

impl Emergency {
    /// Whether a request passes in an emergency.
    pub fn is_critical(&self, who: &Attributes) -> bool {
        let priority = who.value(&Attribute::Priority).and_then(|told| told.parse().ok());
        priority == Some(Priority::CRITICAL) || self.critical.iter().any(|entry| fits(entry, who))
    }
}

fn fits(entry: &BTreeMap<String, String>, who: &Attributes) -> bool {
    entry.iter().all(|(attribute, text)| {
        let value = who.value(&Attribute::named(attribute));
        value.is_some_and(|value| Pattern::new(text.as_str()).matches(value))
    })
}

impl Trigger {
    /// The alert that it is.
    pub const fn alert(self) -> AlertName {
        match self {
            Self::CostSpike => AlertName::CostSpike,
            Self::BudgetExhausted => AlertName::BudgetExhausted,
            Self::CriticalHealth => AlertName::CriticalHealth,
        }
    }

    /// As the policy writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CostSpike => "cost_spike",
            Self::BudgetExhausted => "budget_exhausted",
            Self::CriticalHealth => "critical_health",
        }
    }
}
