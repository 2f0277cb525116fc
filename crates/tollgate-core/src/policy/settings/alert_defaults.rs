//! What is usual of each alert, and what can be said of it.

use crate::{
    NanoUsd,
    alert::{AlertName, Bad, Severity},
};

/// What is usual of one alert.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usual {
    pub(crate) bad: Bad,
    pub(crate) threshold: f64,
    pub(crate) clear: f64,
    /// The least and the greatest threshold that make sense; the same where there is no choice.
    pub(crate) range: (f64, f64),
    pub(crate) hold_seconds: u64,
    pub(crate) cool_down_seconds: u64,
    pub(crate) severity: Severity,
    /// Over how long it is looked; 0 where it is looked at what is.
    pub(crate) over_seconds: u64,
    /// Of fewer calls or requests it says nothing; 0 where it counts none.
    pub(crate) least: u64,
    pub(crate) least_cost: NanoUsd,
}

/// What holds of most.
const MOST: Usual = Usual {
    bad: Bad::High,
    threshold: 1.0,
    clear: 1.0,
    range: (1.0, 1.0),
    hold_seconds: 0,
    cool_down_seconds: 600,
    severity: Severity::Warning,
    over_seconds: 0,
    least: 0,
    least_cost: NanoUsd(0),
};

/// From nothing to all.
const SHARE: (f64, f64) = (0.0, 1.0);

impl Usual {
    /// Of this alert.
    pub(crate) const fn of(name: AlertName) -> Self {
        let critical = Usual { severity: Severity::Critical, ..MOST };
        let share = Usual { range: SHARE, ..MOST };
        match name {
            AlertName::Budget => {
                Self { threshold: 0.8, clear: 0.8, cool_down_seconds: 3_600, ..share }
            }
            // What does not fit a hard budget is refused, so that it is hardly ever used up.
            AlertName::BudgetExhausted => Self {
                threshold: 0.99,
                clear: 0.99,
                range: (0.5, 1.0),
                cool_down_seconds: 3_600,
                ..critical
            },
            // Half-open is half of it: not yet over.
            AlertName::CircuitOpen => Self { clear: 0.25, cool_down_seconds: 300, ..critical },
            AlertName::CostSpike => Self {
                threshold: 3.0,
                clear: 1.5,
                range: (1.0, 1e6),
                hold_seconds: 60,
                least_cost: NanoUsd(1_000_000_000),
                ..critical
            },
            AlertName::CriticalHealth => Self {
                bad: Bad::Low,
                threshold: 50.0,
                clear: 60.0,
                range: (1.0, 100.0),
                hold_seconds: 30,
                ..critical
            },
            AlertName::FailOpen => Self { over_seconds: 60, cool_down_seconds: 60, ..critical },
            AlertName::FailureRate => {
                Self { threshold: 0.25, clear: 0.1, over_seconds: 300, least: 20, ..share }
            }
            AlertName::LowTokens => {
                Self { bad: Bad::Low, threshold: 0.1, clear: 0.25, hold_seconds: 30, ..share }
            }
            // Policies differ for as long as nodes are started anew one after the other.
            AlertName::NodesDisagree => Self { hold_seconds: 60, ..MOST },
            AlertName::QueueFilling => Self { threshold: 0.8, clear: 0.6, ..share },
            AlertName::RedisMemory => {
                Self { threshold: 0.9, clear: 0.8, range: SHARE, over_seconds: 300, ..critical }
            }
            AlertName::Refused => {
                Self { threshold: 0.1, clear: 0.05, over_seconds: 300, least: 20, ..share }
            }
            AlertName::Utilisation => Self { threshold: 0.9, clear: 0.8, ..share },
        }
    }

    /// The value beyond which one with this threshold is over: as far from it as usual, but no
    /// further than halfway to the end of its range, so that it can be over.
    pub(crate) fn clear_of(&self, threshold: f64) -> f64 {
        let as_far = threshold + (self.clear - self.threshold);
        let (least, most) = self.range;
        match self.bad {
            _ if !self.has_choice() => self.clear,
            Bad::High => as_far.max(f64::midpoint(threshold, least)),
            Bad::Low => as_far.min(f64::midpoint(threshold, most)),
        }
    }

    /// Whether a threshold can be chosen.
    pub(crate) fn has_choice(&self) -> bool {
        self.range.0 < self.range.1
    }
}
