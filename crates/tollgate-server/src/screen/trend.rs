//! What numbers were of late, kept here since the gateway keeps the present alone.

use std::collections::{BTreeMap, VecDeque};

use super::reading::Reading;

/// The newest values of one number, the newest last.
#[derive(Debug, Default)]
pub(super) struct Trend(VecDeque<f64>);

/// What is remembered of a gateway.
#[derive(Debug, Default)]
pub(super) struct Trends {
    pub(super) requests: Trend,
    pub(super) refused: Trend,
    pub(super) running: Trend,
    pub(super) per_minute: Trend,
    pub(super) tokens: Trend,
    /// Requests per second of each service.
    services: BTreeMap<String, Trend>,
    last: Option<Counts>,
}

/// What only grows, and when it was read on the gateway's own clock.
#[derive(Debug)]
struct Counts {
    at: f64,
    requests: f64,
    refused: f64,
    tokens: f64,
    cost: f64,
    services: BTreeMap<String, f64>,
}

/// Values that are kept of each number: as many as the widest screen shows.
const MAX_VALUES: usize = 240;

/// Services that are remembered.
const MAX_SERVICES: usize = 256;

impl Trend {
    fn push(&mut self, value: f64) {
        if self.0.len() == MAX_VALUES {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// The newest value.
    pub(super) fn newest(&self) -> Option<f64> {
        self.0.back().copied()
    }

    pub(super) fn values(&self) -> impl DoubleEndedIterator<Item = f64> {
        self.0.iter().copied()
    }
}

impl Trends {
    /// Takes note of another reading, made so many seconds after the start of this screen.
    pub(super) fn note(&mut self, reading: &Reading, at: f64) {
        let now = Counts::of(reading, at);
        self.running.push(reading.running as f64);
        // A gateway that began anew counts from nothing; so does this.
        if let Some(before) = self.last.take().filter(|before| before.requests <= now.requests) {
            let seconds = (now.at - before.at).max(0.001);
            let grown = |now: f64, before: f64| ((now - before) / seconds).max(0.0);
            self.requests.push(grown(now.requests, before.requests));
            self.refused.push(grown(now.refused, before.refused));
            self.tokens.push(grown(now.tokens, before.tokens));
            let told = reading.per_minute();
            self.per_minute.push(told.unwrap_or_else(|| grown(now.cost, before.cost) * 60.0));
            for (name, count) in &now.services {
                let before = before.services.get(name).copied().unwrap_or_default();
                if self.services.len() < MAX_SERVICES || self.services.contains_key(name) {
                    self.services.entry(name.clone()).or_default().push(grown(*count, before));
                }
            }
        }
        self.services.retain(|name, _| now.services.contains_key(name));
        self.last = Some(now);
    }

    /// Requests per second of a service.
    pub(super) fn of_service(&self, name: &str) -> Option<&Trend> {
        self.services.get(name)
    }
}

impl Counts {
    fn of(reading: &Reading, at: f64) -> Self {
        let totals = &reading.totals;
        let services = reading.services.iter();
        Self {
            at,
            requests: totals.requests as f64,
            refused: totals.refused as f64,
            tokens: (totals.input_tokens + totals.output_tokens) as f64,
            cost: totals.cost,
            services: services.map(|it| (it.name.clone(), it.requests as f64)).collect(),
        }
    }
}
