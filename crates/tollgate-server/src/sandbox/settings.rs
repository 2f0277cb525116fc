//! How the sandbox behaves unless a request asks otherwise.

use std::{fmt, str::FromStr, time::Duration};

/// The sandbox's behaviour towards requests that do not ask for another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SandboxSettings {
    /// From the end of a request to its response head.
    pub(crate) latency: Duration,
    /// From the response head to the first token; plain answers wait for it too.
    pub(crate) first_token: Duration,
    /// How fast tokens are made; 0 makes them all at once.
    pub(crate) tokens_per_second: u32,
    /// How many tokens an answer has, if the request allows as many.
    pub(crate) output_tokens: u32,
    /// The share of requests answered with a 500 or a 503.
    pub(crate) error_rate: Rate,
    /// The share of requests answered with a 429 of the provider's own.
    pub(crate) rate_limit_rate: Rate,
    /// The share of answers that are cut in the middle of their body.
    pub(crate) truncate_rate: Rate,
}

/// A share of requests, from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub(crate) struct Rate(f64);

/// Why a text is no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no share of requests: write a number from 0 to 1, like 0.05")]
pub(crate) struct ParseRateError(String);

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            first_token: Duration::ZERO,
            tokens_per_second: 0,
            output_tokens: 64,
            error_rate: Rate::default(),
            rate_limit_rate: Rate::default(),
            truncate_rate: Rate::default(),
        }
    }
}

impl Rate {
    /// The share as a number from 0 to 1.
    pub(crate) const fn share(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Rate {
    type Error = ParseRateError;

    fn try_from(share: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&share) { Ok(Self(share)) } else { Err(error(&share)) }
    }
}

impl FromStr for Rate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<f64>().map_err(|_| error(&text))?.try_into()
    }
}

fn error(shown: &impl fmt::Display) -> ParseRateError {
    ParseRateError(shown.to_string().chars().take(40).collect())
}
