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
    /// How many tokens an answer has, if the request allows as many.
    pub output_tokens: u32,
    /// The share of requests answered with a 500 or a 503.
    pub error_rate: Share,
    /// The share of requests answered with a 429 of the model's own.
    pub rate_limit_rate: Share,
    /// The share of answers that are cut in the middle of their body.
    pub truncate_rate: Share,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            enabled: true,
            latency: Duration::ZERO,
            first_token: Duration::ZERO,
            tokens_per_second: 0,
            output_tokens: 64,
            error_rate: Share::default(),
            rate_limit_rate: Share::default(),
            truncate_rate: Share::default(),
        }
    }
}
