//! What an operator says about a breaker.

use std::{fmt, str::FromStr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{MAX_CALLS, MAX_PROBES};
use crate::policy::{
    Share,
    values::{Span, excerpt, span, written_as_text},
};

/// What an operator says about a breaker; what is not said is as the defaults are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct BreakerSettings {
    /// Whether it decides by itself.
    pub mode: Mode,
    /// So many failures in a row open it; 0 for never.
    pub failures: u32,
    /// So large a share of failures in the window opens it; 0 for never.
    pub failure_rate: Share,
    /// So large a share of slow calls in the window opens it; 0 for never.
    pub slow_rate: Share,
    /// A call that takes longer is slow.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub slow_after: Duration,
    /// The recent calls of which shares are taken: `60s`, or `100 calls`.
    pub window: Window,
    /// A share of fewer calls says nothing.
    pub min_calls: u32,
    /// How long it is open, unless the provider asks for longer.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub recovery: Duration,
    /// How long it is open at most, whatever the provider asks for.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub max_recovery: Duration,
    /// Probes at once while it is half-open, 1 to 100.
    pub probes: u32,
    /// How long a probe may be without a result before it counts as a failure: longer than
    /// the provider's read timeout, since it is for results that never come.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub probe_lease: Duration,
    /// So many successes close it.
    pub successes: u32,
    /// What a provider's "too many requests" is.
    pub throttled: Throttled,
}

/// Whether a breaker decides by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It does.
    #[default]
    Auto,
    /// It counts and says what it would do, but never refuses.
    Observe,
    /// It refuses everything.
    Open,
    /// It refuses nothing.
    Closed,
}

/// What a provider's "too many requests" is to a breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Throttled {
    /// Nothing: limits learn from it.
    #[default]
    Ignored,
    /// A failure.
    Failure,
}

/// The recent calls of which shares are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last so many, [`MAX_CALLS`] at most.
    Calls(u32),
    /// Those of so long; it moves on by [tenths](super::BUCKETS).
    Time(Duration),
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            failures: 5,
            failure_rate: Share::of_hundred(50),
            slow_rate: Share::of_hundred(0),
            slow_after: Duration::from_secs(60),
            window: Window::Time(Duration::from_secs(60)),
            min_calls: 20,
            recovery: Duration::from_secs(30),
            max_recovery: Duration::from_secs(3_600),
            probes: 3,
            probe_lease: Duration::from_secs(330),
            successes: 3,
            throttled: Throttled::Ignored,
        }
    }
}

impl BreakerSettings {
    /// What is wrong with it, in a sentence.
    fn check(&self) -> Result<(), String> {
        if !(1..=MAX_PROBES).contains(&self.probes) {
            return Err(format!(
                "probes = {} is not possible: write a number from 1 to {MAX_PROBES}",
                self.probes
            ));
        }
        if self.successes == 0 {
            return Err("successes = 0 would never close it: write 1 or more".into());
        }
        if self.probe_lease.is_zero() {
            return Err("probe_lease = \"0s\" loses every probe: write a longer one".into());
        }
        if self.recovery > self.max_recovery {
            return Err(format!(
                "recovery = \"{}\" is longer than max_recovery = \"{}\": raise the latter",
                Span(self.recovery),
                Span(self.max_recovery)
            ));
        }
        if let Window::Calls(most) = self.window
            && self.min_calls > most
        {
            return Err(format!(
                "min_calls = {} is more than the window of {most} calls ever holds",
                self.min_calls
            ));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for BreakerSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let settings = Self::deserialize(deserializer)?;
        settings.check().map_err(D::Error::custom)?;
        Ok(settings)
    }
}

impl Serialize for BreakerSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches("calls").trim_end();
        if let Ok(calls) = digits.parse::<u32>() {
            return if (1..=MAX_CALLS).contains(&calls) {
                Ok(Self::Calls(calls))
            } else {
                Err(format!("a window holds from 1 to {MAX_CALLS} calls, not {calls}"))
            };
        }
        match span::parse(text) {
            Some(length) if !length.is_zero() => Ok(Self::Time(length)),
            _ => Err(format!("`{}` is no window: write it like 60s or 100 calls", excerpt(text))),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls(calls) => write!(f, "{calls} calls"),
            Self::Time(length) => Span(*length).fmt(f),
        }
    }
}

written_as_text!(
    Window,
    "a length of time like \"60s\", or a number of calls like \"100 calls\"",
    r"^[0-9]+(\.[0-9]+)? ?(calls|w|weeks?|d|days?|h|hours?|m|min|minutes?|s|sec|seconds?|ms|milliseconds?)$"
);
