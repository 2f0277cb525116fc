//! Who is told what, and when.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dollars, Sink, alert_defaults::Usual};
use crate::{
    NanoUsd,
    alert::{AlertName, Bad, Rule, Severity},
    policy::values::{Span, span},
};

/// Which alerts there are, and where they go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Whether there are any.
    pub enabled: bool,
    /// Whether they are written to the log.
    pub log: bool,
    /// A part of a budget is used.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub budget: Alert,
    /// A budget is nearly or wholly used up.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub budget_exhausted: Alert,
    /// A provider's circuit is open.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub circuit_open: Alert,
    /// A minute costs so many times what a minute of the hour before cost, and so many times the
    /// least that counts.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub cost_spike: Alert,
    /// The health score is below this.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub critical_health: Alert,
    /// The store failed, whatever was done instead.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub fail_open: Alert,
    /// This share of a provider's calls fails.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub failure_rate: Alert,
    /// Less than this share of a provider's bucket is left.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub low_tokens: Alert,
    /// Nodes that share their numbers serve different policies or have different secrets, two have
    /// one name, a clock is wrong, or what one changed is not taken over by another.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub nodes_disagree: Alert,
    /// This share of a queue's places is taken.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub queue_filling: Alert,
    /// This share of the memory that Redis may use is used, or it has evicted something.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub redis_memory: Alert,
    /// This share of requests is refused: by limits and budgets, circuits, an emergency or the
    /// store; not what no policy allows or nobody understands.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub refused: Alert,
    /// This share of all sessions is taken.
    #[serde(skip_serializing_if = "Alert::is_usual")]
    pub utilisation: Alert,
    /// Who is told beside the log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<Sink>,
}

/// What is said of one alert; what is not said is as usual, which differs by alert.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Alert {
    /// Whether there is this alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The value that it begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The value beyond which it is over; as far from the threshold as usual, if not given, and no
    /// further than halfway to the end of what there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clear: Option<f64>,
    /// How long it must hold before anybody is told.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", with = "span::optional")]
    #[schemars(with = "Option<Span>")]
    pub hold: Option<Duration>,
    /// How long nobody is told again after somebody was.
    #[serde(skip_serializing_if = "Option::is_none", with = "span::optional")]
    #[schemars(with = "Option<Span>")]
    pub cool_down: Option<Duration>,
    /// How grave it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Over how long it is looked, one hour at most.
    #[serde(skip_serializing_if = "Option::is_none", with = "span::optional")]
    #[schemars(with = "Option<Span>")]
    pub over: Option<Duration>,
    /// A share of fewer calls or requests says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least: Option<u64>,
    /// What a minute is taken to cost in dollars where it usually costs less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_usd: Option<Dollars>,
}

/// What holds of one alert, with all that is not said.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRule {
    /// When it fires and clears.
    pub rule: Rule,
    /// Over how long it is looked.
    pub over: Duration,
    /// A share of fewer says nothing.
    pub least: u64,
    /// What a minute is taken to cost where it usually costs less.
    pub least_cost: NanoUsd,
}

impl Default for Alerts {
    fn default() -> Self {
        let usual = Alert::default;
        Self {
            enabled: true,
            log: true,
            budget: usual(),
            budget_exhausted: usual(),
            circuit_open: usual(),
            cost_spike: usual(),
            critical_health: usual(),
            fail_open: usual(),
            failure_rate: usual(),
            low_tokens: usual(),
            nodes_disagree: usual(),
            queue_filling: usual(),
            redis_memory: usual(),
            refused: usual(),
            utilisation: usual(),
            sinks: Vec::new(),
        }
    }
}

impl Alerts {
    /// What is said of one alert.
    pub const fn of(&self, name: AlertName) -> &Alert {
        match name {
            AlertName::Budget => &self.budget,
            AlertName::BudgetExhausted => &self.budget_exhausted,
            AlertName::CircuitOpen => &self.circuit_open,
            AlertName::CostSpike => &self.cost_spike,
            AlertName::CriticalHealth => &self.critical_health,
            AlertName::FailOpen => &self.fail_open,
            AlertName::FailureRate => &self.failure_rate,
            AlertName::LowTokens => &self.low_tokens,
            AlertName::NodesDisagree => &self.nodes_disagree,
            AlertName::QueueFilling => &self.queue_filling,
            AlertName::RedisMemory => &self.redis_memory,
            AlertName::Refused => &self.refused,
            AlertName::Utilisation => &self.utilisation,
        }
    }

    /// The alerts that there are, with all that is not said.
    pub fn rules(&self) -> Vec<AlertRule> {
        let there = AlertName::ALL.into_iter().filter(|name| self.has(*name));
        there.map(|name| self.of(name).rule(name)).collect()
    }

    /// Whether there is this alert.
    pub fn has(&self, name: AlertName) -> bool {
        self.enabled && self.of(name).enabled.unwrap_or(true)
    }
}

impl Alert {
    /// All of it, with what is usual where it says nothing.
    pub fn rule(&self, name: AlertName) -> AlertRule {
        let usual = Usual::of(name);
        let threshold = self.threshold.unwrap_or(usual.threshold);
        let as_far = self.threshold.map_or(usual.clear, |threshold| usual.clear_of(threshold));
        let clear = self.clear.unwrap_or(as_far);
        let clear = match usual.bad {
            Bad::High => clear.min(threshold),
            Bad::Low => clear.max(threshold),
        };
        let span = |said: Option<Duration>, usual| said.unwrap_or(Duration::from_secs(usual));
        AlertRule {
            rule: Rule {
                name,
                bad: usual.bad,
                threshold,
                clear,
                hold: span(self.hold, usual.hold_seconds),
                cool_down: span(self.cool_down, usual.cool_down_seconds),
                severity: self.severity.unwrap_or(usual.severity),
            },
            over: span(self.over, usual.over_seconds),
            least: self.least.unwrap_or(usual.least),
            least_cost: self.least_usd.map_or(usual.least_cost, |Dollars(least)| least),
        }
    }

    /// Whether nothing is said of it.
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}
