//! The simulated model, so that everything can be tried without an account.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::values::{Share, Span, span};

/// How the simulated model behaves; a request's headers may ask otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sandbox {
    /// Whether it is there at all.
    pub enabled: bool,
    /// From the end of a request to its response head.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub latency: Duration,
    /// From the response head to the first token.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub first_token: Duration,
    /// How fast tokens are made; 0 makes them all at once.
    pub tokens_per_second: u32,
    /// How many answers are made at once at that pace; more share it. 0 for any number.
    pub bears: u32,
    /// How many tokens an answer has, if the request allows as many.
    pub output_tokens: u32,
    /// The share of requests answered with a 500 or a 503.
    pub error_rate: Share,
    /// The share of requests answered with a 429 of the model's own.
    pub rate_limit_rate: Share,
    /// The share of answers that are cut in the middle of their body.
    pub truncate_rate: Share,
    /// How many requests a minute each model takes before it answers with a 429; 0 for any
    /// number.
    pub requests_per_minute: u32,
    /// How many tokens a minute, of either side, each model takes; 0 for any number.
    pub tokens_per_minute: u32,
    /// In what time they are counted: of a minute's number as much as is due in it.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub limit_window: Duration,
    /// How they come back: evenly, or all at once when a window is over.
    pub limit_refill: LimitRefill,
    /// When everything fails.
    pub outage: Outage,
}

/// How limits come back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitRefill {
    /// Evenly: they are buckets.
    #[default]
    Evenly,
    /// All at once when a window is over.
    AtReset,
}

/// A time in which every request to the simulated model fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Outage {
    /// From the start of the process to its beginning.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub after: Duration,
    /// How long it lasts; 0 for no outage at all.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub lasts: Duration,
    /// From one beginning to the next; 0 for one outage only.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub every: Duration,
    /// What every request meets with.
    pub fault: OutageFault,
}

/// What every request meets with in an outage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutageFault {
    /// A 500.
    Error,
    /// A 503, or what the provider has in its place.
    #[default]
    Unavailable,
    /// A 429.
    RateLimit,
    /// Silence.
    Hang,
    /// An answer that breaks off in its middle.
    Cut,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            enabled: true,
            latency: Duration::ZERO,
            first_token: Duration::ZERO,
            tokens_per_second: 0,
            bears: 0,
            output_tokens: 64,
            error_rate: Share::default(),
            rate_limit_rate: Share::default(),
            truncate_rate: Share::default(),
            requests_per_minute: 0,
            tokens_per_minute: 0,
            limit_window: Duration::from_secs(60),
            limit_refill: LimitRefill::Evenly,
            outage: Outage::default(),
        }
    }
}

impl Default for Outage {
    fn default() -> Self {
        let none = Duration::ZERO;
        Self { after: none, lasts: none, every: none, fault: OutageFault::default() }
    }
}
