//! What an operator says about adaptation and retries.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::policy::{
    Share,
    values::{Span, span},
};

/// How many requests at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct ConcurrencySettings {
    /// What tells that a provider has become slower.
    pub signal: Signal,
    /// Never fewer, at least 1.
    pub min: u32,
    /// So many at the start.
    pub initial: u32,
    /// Never more.
    pub max: u32,
}

/// What tells that a provider has become slower, however long its answers are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// How long it takes to the first token.
    #[default]
    FirstToken,
    /// How long an answer takes for each of its tokens.
    PerToken,
}

/// How far apart requests begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct IntervalSettings {
    /// Never less.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub min: Duration,
    /// Never more.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub max: Duration,
    /// A failure makes it so many times as long, a success so many times as short; 1 to 100.
    pub backoff: f64,
}

/// Whether and when what failed is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct RetrySettings {
    /// How often a request is tried in all, other providers included, 1 to 10.
    pub attempts: u32,
    /// The share of requests that may be tried again.
    pub share: Share,
    /// So many more may be in any minute, for those who ask seldom.
    pub per_minute: u32,
    /// So many may follow each other at once; with 0 there are none at all.
    pub burst: u32,
    /// How long to wait before the first retry, at most.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub min: Duration,
    /// How long before any, unless the provider asks for longer.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub max: Duration,
    /// Each retry waits so many times as long as the one before; 1 to 100.
    pub backoff: f64,
}

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
const BACKOFF: f64 = 1.5;

/// The most tries of one request.
const MAX_ATTEMPTS: u32 = 10;

impl Default for ConcurrencySettings {
    fn default() -> Self {
        Self { signal: Signal::default(), min: 1, initial: 20, max: 200 }
    }
}

impl Default for IntervalSettings {
    fn default() -> Self {
        Self { min: SHORTEST, max: LONGEST, backoff: BACKOFF }
    }
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: 3,
            share: Share::of_hundred(10),
            per_minute: 10,
            burst: 10,
            min: SHORTEST,
            max: LONGEST,
            backoff: BACKOFF,
        }
    }
}

impl ConcurrencySettings {
    fn check(&self) -> Result<(), String> {
        if self.min == 0 {
            return Err("min = 0 would let nothing through for good: write 1 or more".into());
        }
        if (self.min..=self.max).contains(&self.initial) {
            return Ok(());
        }
        Err(format!(
            "initial = {} is not between min = {} and max = {}",
            self.initial, self.min, self.max
        ))
    }
}

impl IntervalSettings {
    fn check(&self) -> Result<(), String> {
        check_waits(self.min, self.max, self.backoff)
    }
}

impl RetrySettings {
    fn check(&self) -> Result<(), String> {
        if !(1..=MAX_ATTEMPTS).contains(&self.attempts) {
            return Err(format!(
                "attempts = {} is not possible: write a number from 1 to {MAX_ATTEMPTS}",
                self.attempts
            ));
        }
        check_waits(self.min, self.max, self.backoff)
    }
}

fn check_waits(min: Duration, max: Duration, backoff: f64) -> Result<(), String> {
    if !(1.0..=100.0).contains(&backoff) {
        return Err(format!("backoff = {backoff} is not possible: write a number from 1 to 100"));
    }
    if min > max {
        return Err(format!("min = \"{}\" is longer than max = \"{}\"", Span(min), Span(max)));
    }
    Ok(())
}

/// Reads settings that are checked as a whole.
macro_rules! checked {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let settings = Self::deserialize(deserializer)?;
                settings.check().map_err(D::Error::custom)?;
                Ok(settings)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }
    )*};
}

checked!(ConcurrencySettings, IntervalSettings, RetrySettings);
