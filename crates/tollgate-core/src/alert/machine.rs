//! When a condition that holds becomes an alert, and when that is over.
//!
//! ```text
//!          reaches its threshold          for long enough, and not too soon after the last one
//!  quiet ────────────────────────► pending ────────────────────────► firing (fire)
//!    ▲  ◄──────────────────────────   │                                 │
//!    │      it does not any more                                        │ beyond the clear threshold
//!    └──────────────────────────────────────────────────────────────────┘ (clear)
//! ```
//!
//! - **It never fires twice without a clear between**, and each clear follows a fire.
//! - **It never flaps**: a value between both thresholds changes nothing.
//! - It fires no sooner than the condition has held for as long as the rule says, and no sooner
//!   after it fired last than the rule's pause.
//! - A value that nobody knows reaches nothing: what is not known to hold is cleared.

use std::time::Duration;

use super::AlertName;
use crate::Time;

/// When one kind of alert fires and clears.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Which.
    pub name: AlertName,
    /// Whether values that are high are bad, or low ones.
    pub bad: Bad,
    /// The value that it begins with.
    pub threshold: f64,
    /// The value beyond which it is over.
    pub clear: f64,
    /// How long it must hold.
    pub hold: Duration,
    /// How long it does not fire again after it fired.
    pub cool_down: Duration,
    /// How grave it is.
    pub severity: Severity,
}

/// Which values are bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// From the threshold on; it is over below the clear threshold, which is no higher.
    High,
    /// Those below the threshold; it is over from the clear threshold on, which is no lower.
    Low,
}

/// How grave an alert is.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody should look at it today.
    #[default]
    Warning,
    /// Somebody should be woken.
    Critical,
}

/// What one alert is at, of one subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Machine {
    state: State,
    /// When it fired last.
    fired: Option<Time>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Quiet,
    Pending {
        since: Time,
    },
    Firing {
        since: Time,
    },
}

/// What somebody is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It begins.
    Fire,
    /// It is over.
    Clear,
}

impl Machine {
    /// The condition has this value now; what somebody is to be told, if anything.
    pub fn step(&mut self, rule: &Rule, value: Option<f64>, now: Time) -> Option<Turn> {
        let reaches = value.is_some_and(|value| rule.reaches(value));
        match self.state {
            State::Firing { .. } if value.is_some_and(|value| !rule.is_over(value)) => None,
            State::Firing { .. } => {
                self.state = State::Quiet;
                Some(Turn::Clear)
            }
            State::Quiet | State::Pending { .. } if !reaches => {
                self.state = State::Quiet;
                None
            }
            State::Quiet => {
                self.state = State::Pending { since: now };
                self.ripen(rule, now, now)
            }
            State::Pending { since } => self.ripen(rule, since, now),
        }
    }

    /// Fires if it has held for long enough and fired long enough ago.
    fn ripen(&mut self, rule: &Rule, since: Time, now: Time) -> Option<Turn> {
        let is_held = now >= since.after(rule.hold);
        let is_cool = self.fired.is_none_or(|fired| now >= fired.after(rule.cool_down));
        (is_held && is_cool).then(|| {
            self.state = State::Firing { since };
            self.fired = Some(now);
            Turn::Fire
        })
    }

    /// Since when the condition holds that it fires for.
    pub const fn firing_since(&self) -> Option<Time> {
        match self.state {
            State::Firing { since } => Some(since),
            State::Quiet | State::Pending { .. } => None,
        }
    }

    /// Whether it may be forgotten: it is as good as a new one.
    pub fn is_idle(&self, rule: &Rule, now: Time) -> bool {
        let is_cool = self.fired.is_none_or(|fired| now >= fired.after(rule.cool_down));
        self.state == State::Quiet && is_cool
    }
}

impl Rule {
    /// Whether an alert begins with this value.
    pub fn reaches(&self, value: f64) -> bool {
        match self.bad {
            Bad::High => value >= self.threshold,
            Bad::Low => value < self.threshold,
        }
    }

    /// Whether one that fires is over with this value. What reaches is never over.
    fn is_over(&self, value: f64) -> bool {
        match self.bad {
            _ if self.reaches(value) => false,
            Bad::High => value < self.clear,
            Bad::Low => value >= self.clear,
        }
    }
}

impl Severity {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}
