//! The numbers as Prometheus reads them.
//!
//! The text is made when it is asked for, from the numbers as they are then; counting
//! knows nothing of it.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, text},
    metrics::MetricType,
    registry::Registry,
};
use tollgate::store::redis::LeaseCounts;

use super::{Metrics, histogram::Snapshot};
use crate::cache::CacheTotals;

/// Numbers that are not counted but looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauges {
    /// Live sessions, where the policy limits them for all users together.
    pub(crate) sessions_active: Option<u64>,
    /// The worst circuit of each provider: 0 closed, 1 half-open, 2 open.
    pub(crate) circuits: Vec<(String, u64)>,
    /// What the cache did since the start.
    pub(crate) cache: CacheTotals,
    /// The share that is allowed now of each limit that follows a budget.
    pub(crate) dials: Vec<(String, f64)>,
    /// How many of each alert fire.
    pub(crate) alerts: Vec<(String, u64)>,
    /// What came of notifications, by sink and outcome.
    pub(crate) notifications: Vec<([String; 2], u64)>,
    /// The health score, once somebody looked.
    pub(crate) health_score: Option<u8>,
    /// Whether only critical requests pass.
    pub(crate) is_emergency: bool,
    /// Nodes that live, where numbers are shared.
    pub(crate) live_nodes: Option<u64>,
    /// Decisions that this node made without the others, by what made them.
    pub(crate) alone: [(&'static str, u64); 2],
    /// What leases have done, where numbers are shared.
    pub(crate) leases: Option<LeaseCounts>,
}

/// The media type of the text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All that is shown, put together for one reading.
#[derive(Debug, Default)]
struct Reading {
    decisions: Vec<([(&'static str, String); 2], u64)>,
    budget_warnings: Vec<([(&'static str, String); 2], u64)>,
    overload: Vec<([(&'static str, String); 1], u64)>,
    store_failures: Vec<([(&'static str, String); 1], u64)>,
    tokens: Vec<([(&'static str, String); 3], u64)>,
    cost: Vec<([(&'static str, String); 2], f64)>,
    lasted: Vec<([(&'static str, String); 1], Snapshot)>,
    added: Option<Snapshot>,
    round_trip: Option<Snapshot>,
    live_nodes: Option<u64>,
    leases: Option<LeaseCounts>,
    queued: Option<Snapshot>,
    queue_depth: u64,
    overrun: f64,
    cache: Vec<([(&'static str, String); 1], u64)>,
    cache_saved: f64,
    concurrent: u64,
    sessions_active: Option<u64>,
    circuits: Vec<([(&'static str, String); 1], u64)>,
    dials: Vec<([(&'static str, String); 1], f64)>,
    alerts: Vec<([(&'static str, String); 1], u64)>,
    notifications: Vec<([(&'static str, String); 2], u64)>,
    health_score: Option<u8>,
    is_emergency: bool,
}

impl Metrics {
    /// The numbers in the text format of OpenMetrics, which Prometheus reads.
    ///
    /// # Errors
    /// When the text cannot be written.
    pub(crate) fn text(&self, gauges: Gauges) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("tollgate");
        registry.register_collector(Box::new(self.reading(gauges)));
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(out)
    }

    /// What is so now, without what was counted by name.
    fn gauged(&self, gauges: Gauges) -> Reading {
        Reading {
            added: Some(self.added.snapshot()),
            round_trip: gauges.live_nodes.map(|_| self.round_trip.snapshot()),
            live_nodes: gauges.live_nodes,
            leases: gauges.leases,
            queued: Some(self.queued.snapshot()),
            queue_depth: self.queued(),
            overrun: dollars(self.overrun_nanos.value()),
            concurrent: self.concurrent(),
            sessions_active: gauges.sessions_active,
            is_emergency: gauges.is_emergency,
            circuits: gauges
                .circuits
                .into_iter()
                .map(|(provider, state)| ([("provider", provider)], state))
                .collect(),
            dials: gauges
                .dials
                .into_iter()
                .map(|(limit, share)| ([("limit", limit)], share))
                .collect(),
            alerts: gauges
                .alerts
                .into_iter()
                .map(|(alert, count)| ([("alert", alert)], count))
                .collect(),
            notifications: gauges
                .notifications
                .into_iter()
                .map(|([sink, outcome], count)| ([("sink", sink), ("outcome", outcome)], count))
                .collect(),
            health_score: gauges.health_score,
            cache_saved: dollars(gauges.cache.saved_usd.0),
            ..Reading::default()
        }
    }

    fn reading(&self, gauges: Gauges) -> Reading {
        let label = |name: &'static str, value: &str| (name, value.to_owned());
        let by_outcome = gauges.cache.by_outcome();
        let alone = gauges.alone;
        let mut reading = self.gauged(gauges);
        let decision =
            |decision: &str, limit: &str| [label("decision", decision), label("limit", limit)];
        reading.decisions.push((decision("admitted", ""), self.admitted.value()));
        for (outcome, count) in by_outcome {
            reading.cache.push(([label("outcome", outcome)], count));
        }
        for (name, counts) in self.by_limit.all() {
            reading.decisions.push((decision("refused", &name), counts.refused.value()));
            reading.decisions.push((decision("waited", &name), counts.waited.value()));
            reading.decisions.push((decision("shadowed", &name), counts.shadowed.value()));
            for (threshold, count) in counts.warned.all() {
                let labels = [label("limit", &name), label("threshold", &threshold)];
                reading.budget_warnings.push((labels, count.value()));
            }
        }
        for (reason, count) in self.by_reason.all() {
            reading.overload.push(([label("reason", &reason)], count.value()));
        }
        for (mode, count) in self.store_failures.all() {
            reading.store_failures.push(([label("mode", &mode)], count.value()));
        }
        for (mode, count) in alone.into_iter().filter(|(_, count)| *count > 0) {
            reading.store_failures.push(([label("mode", mode)], count));
        }
        for (provider, counts) in self.by_provider.all() {
            let provider = label("provider", &provider);
            for (model, used) in counts.by_model.all() {
                let model = label("model", &model);
                for (kind, count) in
                    [("input", &used.input_tokens), ("output", &used.output_tokens)]
                {
                    let labels = [provider.clone(), model.clone(), label("kind", kind)];
                    reading.tokens.push((labels, count.value()));
                }
                let labels = [provider.clone(), model];
                reading.cost.push((labels, dollars(used.nanos.value())));
            }
            reading.lasted.push(([provider], counts.lasted.snapshot()));
        }
        reading
    }
}

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let out = &mut encoder;
        counters(out, "decisions", "Decisions by limit", &self.decisions)?;
        counters(out, "budget_warnings", "Thresholds that budgets reached", &self.budget_warnings)?;
        counters(out, "overload", "Refusals by reason", &self.overload)?;
        counters(out, "tokens", "Tokens settled, by kind", &self.tokens)?;
        family(
            out,
            "cost_usd",
            "Dollars settled",
            MetricType::Counter,
            &self.cost,
            |mut m, cost| m.encode_counter::<NoLabels, f64, f64>(cost, None),
        )?;
        let lasted = "From a request's arrival to the end of its response";
        family(out, "request_seconds", lasted, MetricType::Histogram, &self.lasted, histogram)?;
        counters(
            out,
            "store_failures",
            "Decisions that the store could not make",
            &self.store_failures,
        )?;
        for (name, help, snapshot) in [
            ("added_seconds", "What the gateway itself took of a request's time", &self.added),
            (
                "redis_round_trip_seconds",
                "From a node's sign of life to Redis's answer",
                &self.round_trip,
            ),
            ("queue_seconds", "How long requests waited for their turn", &self.queued),
        ] {
            if let Some(snapshot) = snapshot {
                histogram(
                    out.encode_descriptor(name, help, None, MetricType::Histogram)?,
                    snapshot,
                )?;
            }
        }
        self.encode_leases(out)?;
        counters(out, "cache", "Requests by what the cache had for them", &self.cache)?;
        for (name, help, sum) in [
            ("overrun_usd", "Dollars used beyond what was reserved", self.overrun),
            ("cache_saved_usd", "Dollars that answers from the cache had cost", self.cache_saved),
        ] {
            out.encode_descriptor(name, help, None, MetricType::Counter)?
                .encode_counter::<NoLabels, f64, f64>(&sum, None)?;
        }
        gauge(out, "concurrent_requests", "Requests that run now", self.concurrent)?;
        gauge(out, "queue_depth", "Requests that wait now", self.queue_depth)?;
        let passes = "1 while only critical requests pass, else 0";
        gauge(out, "emergency", passes, u64::from(self.is_emergency))?;
        self.encode_states(out)?;
        if let Some(score) = self.health_score {
            gauge(out, "health_score", "How the whole is, from 0 to 100", u64::from(score))?;
        }
        if let Some(live) = self.live_nodes {
            gauge(out, "live_nodes", "Nodes that share these numbers and live", live)?;
        }
        match self.sessions_active {
            Some(sessions) => gauge(out, "sessions_active", "Sessions that are live now", sessions),
            None => Ok(()),
        }
    }
}

impl Reading {
    /// What leases have done.
    fn encode_leases(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some(LeaseCounts { admitted, calls }) = self.leases else { return Ok(()) };
        for (name, help, count) in [
            ("leased_decisions", "Requests that leases admitted without a call", admitted),
            ("lease_calls", "Calls that asked for leases, or gave them back", calls),
        ] {
            out.encode_descriptor(name, help, None, MetricType::Counter)?
                .encode_counter::<NoLabels, u64, u64>(&count, None)?;
        }
        Ok(())
    }

    /// How circuits, dials and alerts stand.
    fn encode_states(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let worst = "The worst circuit of a provider: 0 closed, 1 half-open, 2 open";
        family(out, "circuit_state", worst, MetricType::Gauge, &self.circuits, |mut m, state| {
            m.encode_gauge(state)
        })?;
        let share = "The share of a limit that is allowed now, where it follows a budget";
        family(out, "limit_dial", share, MetricType::Gauge, &self.dials, |mut m, share| {
            m.encode_gauge(share)
        })?;
        let firing = "Alerts that fire now";
        family(out, "alerts_firing", firing, MetricType::Gauge, &self.alerts, |mut m, count| {
            m.encode_gauge(count)
        })?;
        counters(
            out,
            "alert_notifications",
            "Notifications of alerts by what came of them",
            &self.notifications,
        )
    }
}

type NoLabels = [(&'static str, String); 0];

fn counters<const N: usize>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: &[([(&'static str, String); N], u64)],
) -> fmt::Result
where
    [(&'static str, String); N]: EncodeLabelSet,
{
    family(out, name, help, MetricType::Counter, values, |mut metric, value| {
        metric.encode_counter::<NoLabels, u64, f64>(value, None)
    })
}

/// One metric with all its labels; nothing where there are none.
fn family<V, const N: usize>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    values: &[([(&'static str, String); N], V)],
    encode: impl Fn(MetricEncoder<'_>, &V) -> fmt::Result,
) -> fmt::Result
where
    [(&'static str, String); N]: EncodeLabelSet,
{
    if values.is_empty() {
        return Ok(());
    }
    let mut metric = out.encode_descriptor(name, help, None, kind)?;
    values.iter().try_for_each(|(labels, value)| encode(metric.encode_family(labels)?, value))
}

fn histogram(mut metric: MetricEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    metric.encode_histogram::<NoLabels>(snapshot.sum, snapshot.count, &snapshot.buckets, None)
}

fn gauge(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    out.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
}

/// For showing only: sums are made in nano-dollars.
fn dollars(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
