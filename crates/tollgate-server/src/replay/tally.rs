//! The client's own count, from the answers alone.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;
use tollgate_core::NanoUsd;

use super::{
    outcome::{Ending, Outcome},
    price::{Prices, Tokens},
};

/// What the client has counted.
#[derive(Debug)]
pub(crate) struct Tally {
    prices: Option<Prices>,
    pub(crate) counts: Counts,
    /// Refusals by the limit that they name.
    pub(crate) refused_by: BTreeMap<String, u64>,
    /// Failures by their reason.
    pub(crate) failed_by: BTreeMap<String, u64>,
    /// What others than the provider added until the response head of admitted requests,
    /// from the instant they left.
    pub(crate) added: Latency,
    /// The same from the instant they were due.
    pub(crate) added_from_due: Latency,
    /// From leaving to the response head of refusals.
    pub(crate) refusal: Latency,
}

/// Plain numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Requests that left.
    pub(crate) sent: u64,
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    /// Sent, but neither admitted nor refused.
    pub(crate) failed: u64,
    /// Never sent, since too many were in flight.
    pub(crate) unsent: u64,
    /// By the answers' own usage.
    pub(crate) tokens: Tokens,
    /// Of those tokens, at the given prices.
    pub(crate) cost: NanoUsd,
    /// The most that can have been used by requests that told no usage.
    pub(crate) unknown: Tokens,
    /// The cost of that.
    pub(crate) unknown_cost: NanoUsd,
}

/// Latencies of one kind.
#[derive(Debug)]
pub(crate) struct Latency(Histogram<u64>);

/// Latencies of one kind at three quantiles, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p99_9: u64,
}

/// The most different names that are told apart.
const MAX_NAMES: usize = 256;
/// The longest latency that is told apart, in microseconds.
const MAX_MICROS: u64 = 600_000_000;

impl Tally {
    /// An empty tally; without prices it counts no dollars.
    pub(crate) fn new(prices: Option<Prices>) -> Self {
        Self {
            prices,
            counts: Counts::default(),
            refused_by: BTreeMap::new(),
            failed_by: BTreeMap::new(),
            added: Latency::new(),
            added_from_due: Latency::new(),
            refusal: Latency::new(),
        }
    }

    /// What so many tokens of one answer cost.
    pub(crate) fn cost(&self, tokens: Tokens) -> NanoUsd {
        self.prices.map_or(NanoUsd(0), |prices| prices.cost(tokens))
    }

    /// Whether it counts dollars.
    pub(crate) const fn priced(&self) -> bool {
        self.prices.is_some()
    }

    /// Counts one request.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        if outcome.ending == Ending::Unsent {
            self.counts.unsent += 1;
            count(&mut self.failed_by, "not sent: too many in flight");
            return;
        }
        self.counts.sent += 1;
        match &outcome.ending {
            Ending::Admitted { used } => {
                self.counts.admitted += 1;
                match used {
                    Some(used) => self.used(*used),
                    None => self.unknown(outcome.most),
                }
                self.time_admitted(outcome);
            }
            Ending::Refused { limit } => {
                self.counts.refused += 1;
                count(&mut self.refused_by, limit);
                if let Some(timing) = outcome.timing {
                    self.refusal.record(timing.from_sent);
                }
            }
            Ending::Error => {
                let status = outcome.status.unwrap_or_default();
                self.failed(outcome.most, &format!("status {status}"));
            }
            Ending::Lost(loss) => self.failed(outcome.most, &loss.to_string()),
            Ending::Unsent => {}
        }
    }

    fn used(&mut self, used: Tokens) {
        let cost = self.cost(used);
        self.counts.tokens = self.counts.tokens.plus(used);
        self.counts.cost.0 = self.counts.cost.0.saturating_add(cost.0);
    }

    fn unknown(&mut self, most: Tokens) {
        let cost = self.cost(most);
        self.counts.unknown = self.counts.unknown.plus(most);
        self.counts.unknown_cost.0 = self.counts.unknown_cost.0.saturating_add(cost.0);
    }

    fn failed(&mut self, most: Tokens, reason: &str) {
        self.counts.failed += 1;
        self.unknown(most);
        count(&mut self.failed_by, reason);
    }

    fn time_admitted(&mut self, outcome: &Outcome) {
        let Some(timing) = outcome.timing else { return };
        let Some(service) = timing.service else { return };
        self.added.record(timing.from_sent.saturating_sub(service));
        self.added_from_due.record(timing.from_due.saturating_sub(service));
    }
}

impl Latency {
    fn new() -> Self {
        let bounds = Histogram::new_with_bounds(1, MAX_MICROS, 3);
        Self(bounds.expect("1 µs to 10 min at 3 digits are bounds of a histogram"))
    }

    fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// The quantiles; nothing where nothing was recorded.
    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        let at = |quantile| self.0.value_at_quantile(quantile);
        (!self.0.is_empty()).then(|| Quantiles { p50: at(0.5), p99: at(0.99), p99_9: at(0.999) })
    }
}

fn count(names: &mut BTreeMap<String, u64>, name: &str) {
    let known = names.contains_key(name) || names.len() < MAX_NAMES;
    *names.entry(if known { name } else { "others" }.to_owned()).or_default() += 1;
}
