//! What operators are told of how everything is.

use std::collections::BTreeMap;

use serde::Serialize;
use tollgate_core::{NanoUsd, breaker::State};

use super::{Look, Service};
use crate::{
    alerts::Firing, app::App, emergency, metrics::ProviderTotals, nodes::RedisShown,
    roster::Emergency,
};

/// How everything is.
#[derive(Debug, Serialize)]
pub(crate) struct Monitor {
    /// `healthy`, `degraded` or `critical`.
    overall_status: &'static str,
    /// From 0 to 100.
    health_score: u8,
    /// The emergency that is under way.
    emergency: Option<Emergency>,
    /// Every provider by name.
    services: BTreeMap<String, ServiceShown>,
    /// All of them together, and what was used without any.
    total: Total,
    /// How many wait before each limit that somebody waits for.
    queues: Vec<Queue>,
    /// The alerts that hold now, the oldest first.
    alerts: Vec<Firing>,
    /// How Redis is, where numbers are shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    redis: Option<RedisShown>,
    /// How many nodes live, where numbers are shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    live_nodes: Option<usize>,
}

/// How one service is.
#[derive(Debug, Serialize)]
struct ServiceShown {
    /// `healthy`, `degraded`, `critical` or `idle`.
    status: &'static str,
    /// The share of its calls of the last minutes that succeeded.
    success_rate: Option<f64>,
    /// `closed`, `half_open`, `open`, `forced_open` or `forced_closed`; nothing where no policy
    /// names it any more.
    circuit: Option<&'static str>,
    /// Requests that are on their way there.
    concurrent: u64,
    /// Requests that wait for it, or before a limit that is about it.
    queue: u64,
    /// What it cost in the last minute.
    cost_per_minute_usd: NanoUsd,
    latency_ms: Option<Latency>,
    /// Calls since the start that did what they were asked, and those that did not.
    served: u64,
    failed: u64,
    /// What it was used for since the start.
    #[serde(flatten)]
    totals: ProviderTotals,
}

/// How long requests took in the last minutes, from their arrival to the end of their answers.
#[derive(Debug, Serialize)]
struct Latency {
    p50: f64,
    p95: f64,
}

/// All services together.
#[derive(Debug, Serialize)]
struct Total {
    /// What was admitted and refused in the last minutes.
    admitted: u64,
    refused: u64,
    /// Requests that run and wait now.
    concurrent: u64,
    queue: u64,
    /// What was used since the start.
    cost_usd: NanoUsd,
    cost_per_minute_usd: NanoUsd,
}

/// How many wait before one limit.
#[derive(Debug, Serialize)]
struct Queue {
    limit: String,
    waiting: usize,
    /// How full its fullest queue is, from 0 to 1.
    fullest: f64,
}

impl Monitor {
    /// By this look.
    pub(crate) fn new(app: &App, look: &Look) -> Self {
        let mut totals = app.metrics.by_provider();
        let named = look.services.iter().filter(|(name, _)| !name.is_empty());
        let services = named.map(|(name, service)| {
            let used = totals.remove(name.as_str()).unwrap_or_default();
            (name.to_string(), ServiceShown::new(service, used))
        });
        let policy = app.gate.policy();
        let queues = look.queues.iter().filter_map(|queue| {
            let limit = policy.limit(queue.limit)?.name.to_string();
            Some(Queue { limit, waiting: queue.waiting, fullest: rounded(queue.fullest) })
        });
        Self {
            overall_status: look.status().name(),
            health_score: look.score,
            emergency: emergency::now(app).as_deref().cloned(),
            services: services.collect(),
            total: Total::new(app, look),
            queues: queues.collect(),
            alerts: app.alerts.firing(),
            redis: app.group.as_ref().map(|group| group.redis(app.gate.clock().now())),
            live_nodes: app.group.as_ref().map(|group| group.members().live()),
        }
    }
}

impl ServiceShown {
    fn new(service: &Service, totals: ProviderTotals) -> Self {
        let latency =
            service.latency_ms.map(|(p50, p95)| Latency { p50: rounded(p50), p95: rounded(p95) });
        Self {
            status: service.status().name(),
            success_rate: service.sign.success_rate().map(rounded),
            circuit: service.circuit.map(named),
            concurrent: service.concurrent,
            queue: service.queue,
            cost_per_minute_usd: NanoUsd(service.nanos_per_minute),
            latency_ms: latency,
            served: service.calls.served,
            failed: service.calls.failed,
            totals,
        }
    }
}

impl Total {
    fn new(app: &App, look: &Look) -> Self {
        let per_minute = look.services.values().map(|service| service.nanos_per_minute);
        Self {
            admitted: look.decided.admitted,
            refused: look.decided.refused,
            concurrent: app.metrics.concurrent(),
            queue: app.metrics.queued(),
            cost_usd: app.metrics.totals().cost_usd,
            cost_per_minute_usd: NanoUsd(per_minute.fold(0, u64::saturating_add)),
        }
    }
}

const fn named(circuit: State) -> &'static str {
    match circuit {
        State::Closed => "closed",
        State::HalfOpen { .. } => "half_open",
        State::Open { .. } => "open",
        State::ForcedOpen => "forced_open",
        State::ForcedClosed => "forced_closed",
    }
}

/// To a thousandth.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
