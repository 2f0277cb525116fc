//! The alerts that there are.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One kind of alert.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AlertName {
    /// A part of a budget is used, as much as the alert says.
    Budget,
    /// A budget is used up.
    BudgetExhausted,
    /// A provider's circuit is open.
    CircuitOpen,
    /// A minute costs far more than usual.
    CostSpike,
    /// The whole is in a critical state.
    CriticalHealth,
    /// Decisions were made without the store, or could not be made.
    FailOpen,
    /// Many calls of a provider fail.
    FailureRate,
    /// A provider's bucket or quota is nearly empty.
    LowTokens,
    /// Nodes that share their numbers do not agree, though they should.
    NodesDisagree,
    /// A queue is nearly full.
    QueueFilling,
    /// The memory of Redis is nearly full, or Redis forgets what it was told.
    RedisMemory,
    /// Many requests are refused.
    Refused,
    /// Sessions are nearly as many as there may be.
    Utilisation,
}

impl AlertName {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Budget,
        Self::BudgetExhausted,
        Self::CircuitOpen,
        Self::CostSpike,
        Self::CriticalHealth,
        Self::FailOpen,
        Self::FailureRate,
        Self::LowTokens,
        Self::NodesDisagree,
        Self::QueueFilling,
        Self::RedisMemory,
        Self::Refused,
        Self::Utilisation,
    ];

    /// The name as it is written in a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::BudgetExhausted => "budget_exhausted",
            Self::CircuitOpen => "circuit_open",
            Self::CostSpike => "cost_spike",
            Self::CriticalHealth => "critical_health",
            Self::FailOpen => "fail_open",
            Self::FailureRate => "failure_rate",
            Self::LowTokens => "low_tokens",
            Self::NodesDisagree => "nodes_disagree",
            Self::QueueFilling => "queue_filling",
            Self::RedisMemory => "redis_memory",
            Self::Refused => "refused",
            Self::Utilisation => "utilisation",
        }
    }
}

impl fmt::Display for AlertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for AlertName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|name| name.name() == text)
            .ok_or_else(|| format!("there is no alert `{text}`"))
    }
}
