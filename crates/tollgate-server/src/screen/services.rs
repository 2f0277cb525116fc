//! Services: providers as the monitor tells of them, with the circuits of their models.

use serde_json::Value;

use super::{
    reading::{Health, MAX_ITEMS},
    told::{list, number, text, whole},
};

/// One provider.
#[derive(Debug, Default)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) health: Health,
    /// The share of what was sent to it of late that succeeded.
    pub(super) success: Option<f64>,
    pub(super) requests: u64,
    pub(super) running: Option<u64>,
    pub(super) queue: Option<u64>,
    pub(super) circuit: Option<String>,
    pub(super) cost: Option<f64>,
    pub(super) per_minute: Option<f64>,
    /// Milliseconds.
    pub(super) p50: Option<f64>,
    pub(super) p95: Option<f64>,
    pub(super) models: Vec<Model>,
    pub(super) told: Value,
}

/// The circuit of one of its models.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) running: u64,
    pub(super) waiting: u64,
}

/// All services, the worst first, else in the order of their names.
pub(super) fn all(monitor: &Value, circuits: &Value) -> Vec<Service> {
    let told = monitor["services"].as_object().into_iter().flatten().take(MAX_ITEMS);
    let mut all: Vec<Service> =
        told.map(|(name, told)| Service::of(name, told, circuits)).collect();
    all.sort_by(|a, b| (a.health, &a.name).cmp(&(b.health, &b.name)));
    all
}

impl Service {
    fn of(name: &str, told: &Value, circuits: &Value) -> Self {
        let its = list(&circuits["circuits"], MAX_ITEMS).filter(|it| it["provider"] == *name);
        let models: Vec<Model> = its.map(Model::of).collect();
        let sum = |of: fn(&Model) -> u64| {
            (!models.is_empty()).then(|| models.iter().map(of).sum::<u64>())
        };
        let worst = models.iter().map(|model| model.state.as_str()).max_by_key(|it| severity(it));
        let worst = worst.map(str::to_owned);
        Self {
            name: super::clean(name),
            health: Health::of(&told["status"]),
            success: number(&told["success_rate"]),
            requests: whole(&told["requests"]).unwrap_or_default(),
            running: whole(&told["concurrent"]).or_else(|| sum(|model| model.running)),
            queue: whole(&told["queue"]).or_else(|| sum(|model| model.waiting)),
            circuit: text(&told["circuit"]).map(|it| it.replace('_', " ")).or(worst),
            cost: number(&told["cost_usd"]),
            per_minute: number(&told["cost_per_minute_usd"]),
            p50: number(&told["latency_ms"]["p50"]),
            p95: number(&told["latency_ms"]["p95"]),
            models,
            told: told.clone(),
        }
    }

    /// Whether its circuit lets everything pass.
    pub(super) fn is_closed(&self) -> bool {
        self.circuit.as_deref().is_none_or(|circuit| severity(circuit) == 0)
    }
}

impl Model {
    fn of(told: &Value) -> Self {
        let count = |name: &str| whole(&told[name]).unwrap_or_default();
        Self {
            name: text(&told["model"]).unwrap_or_else(|| "(all others)".to_owned()),
            state: text(&told["state"]).unwrap_or_default(),
            calls: count("calls"),
            failures: count("failures"),
            running: count("in_flight"),
            waiting: count("waiting"),
        }
    }
}

/// How much a circuit is in the way.
fn severity(state: &str) -> u8 {
    match state {
        "closed" | "forced closed" => 0,
        state if state.contains("half") => 1,
        _ => 2,
    }
}
