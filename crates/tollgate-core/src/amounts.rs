//! What is counted: units, and how much of each a request wants or used.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::NanoUsd;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Requests, one each unless the demand says otherwise.
    Requests,
    /// Input and output tokens together.
    Tokens,
    /// Tokens sent to the model.
    InputTokens,
    /// Tokens made by the model.
    OutputTokens,
    /// Money, in nano-dollars.
    Usd,
    /// Seconds of audio, counted in milliseconds.
    Seconds,
}

/// An amount of every [`Unit`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Requests.
    pub requests: u64,
    /// Tokens sent to the model.
    pub input_tokens: u64,
    /// Tokens made by the model.
    pub output_tokens: u64,
    /// Money.
    pub cost: NanoUsd,
    /// Audio, in milliseconds.
    pub millis: u64,
}

/// What a request expects to use, at most.
pub type Demand = Amounts;

/// What a request really used.
pub type Usage = Amounts;

impl Amounts {
    /// One request that uses nothing else.
    pub const ONE_REQUEST: Self =
        Self { requests: 1, input_tokens: 0, output_tokens: 0, cost: NanoUsd(0), millis: 0 };

    /// This and as much again as `more`.
    #[must_use]
    pub const fn plus(&self, more: &Self) -> Self {
        Self {
            requests: self.requests.saturating_add(more.requests),
            input_tokens: self.input_tokens.saturating_add(more.input_tokens),
            output_tokens: self.output_tokens.saturating_add(more.output_tokens),
            cost: NanoUsd(self.cost.0.saturating_add(more.cost.0)),
            millis: self.millis.saturating_add(more.millis),
        }
    }

    /// What of this is more than `limit`, unit by unit.
    #[must_use]
    pub const fn beyond(&self, limit: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(limit.requests),
            input_tokens: self.input_tokens.saturating_sub(limit.input_tokens),
            output_tokens: self.output_tokens.saturating_sub(limit.output_tokens),
            cost: NanoUsd(self.cost.0.saturating_sub(limit.cost.0)),
            millis: self.millis.saturating_sub(limit.millis),
        }
    }

    /// The amount of one unit: nano-dollars for money, milliseconds for seconds.
    pub const fn of(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Requests => self.requests,
            Unit::Tokens => self.input_tokens.saturating_add(self.output_tokens),
            Unit::InputTokens => self.input_tokens,
            Unit::OutputTokens => self.output_tokens,
            Unit::Usd => self.cost.0,
            Unit::Seconds => self.millis,
        }
    }
}

impl Unit {
    /// The name as it is written in a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Usd => "usd",
            Self::Seconds => "seconds",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
