//! How every service does now and did in the last minutes, and how the whole is.
//!
//! Requests count as ever and know nothing of it. Once a second, and whenever somebody asks, the
//! counters are looked at beside them; what they grew by lately is what is told here.

mod services;
mod shown;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use compact_str::CompactString;
use parking_lot::Mutex;
use tollgate::QueueDepth;
use tollgate_core::{
    Attribute, LimitId, Time,
    alert::{Recent, Signs, Status},
};

use crate::{
    api::is_stored,
    app::{App, Stage},
    live::Live,
    metrics::Decisions,
};

pub(crate) use services::Service;
use services::Watched;
pub(crate) use shown::Monitor;

/// What is remembered of the last minutes.
#[derive(Debug, Default)]
pub(crate) struct Watch(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    services: BTreeMap<CompactString, Watched>,
    decided: Option<Recent<Decisions>>,
    /// When it was looked last.
    looked: Option<Time>,
}

/// How everything is, by one look.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) services: BTreeMap<CompactString, Service>,
    /// What was decided in the last minutes.
    pub(crate) decided: Decisions,
    pub(crate) queues: Vec<QueueDepth>,
    pub(crate) is_stored: bool,
    pub(crate) score: u8,
}

/// Over how long it is told how services do.
pub(crate) const LATELY: Duration = Duration::from_secs(300);

/// Looks at everything.
pub(crate) async fn look(app: &App) -> Look {
    let is_stored = is_stored(app).await;
    let (live, now) = (app.live(), app.gate.clock().now().time);
    let mut queues = app.gate.queues();
    queues.extend(app.sessions.tickets.queues());
    let (mut services, decided) = app.monitor.note(app, &live, now);
    for (name, service) in &mut services {
        service.queue += waiting_for(name, &live, &queues);
    }
    let signs: Vec<_> = services.values().map(|service| service.sign).collect();
    let lines = services.values().map(|service| service.line);
    let signs = Signs {
        services: &signs,
        admitted: decided.admitted,
        refused: decided.refused,
        fullest: queues.iter().map(|queue| queue.fullest).chain(lines).fold(0.0, f64::max),
        is_stored,
        is_serving: app.stage() == Stage::Serving,
    };
    let score = signs.score();
    Look { services, decided, queues, is_stored, score }
}

impl Look {
    /// How the whole is, in a word.
    pub(crate) const fn status(&self) -> Status {
        Status::of_score(self.score)
    }
}

impl Watch {
    /// Takes down what every counter is now.
    fn note(
        &self,
        app: &App,
        live: &Live,
        now: Time,
    ) -> (BTreeMap<CompactString, Service>, Decisions) {
        let mut state = self.0.lock();
        let State { services, decided, looked } = &mut *state;
        // What came up between two looks began with nothing at the former.
        let before = looked.replace(now).unwrap_or(app.started.time);
        let used: HashMap<_, _> = app.metrics.used_by_provider().into_iter().collect();
        services.retain(|name, _| used.contains_key(name) || live.providers.named(name).is_some());
        let names = live.providers.names().into_iter().map(CompactString::from);
        for name in names.chain(used.keys().cloned()) {
            services.entry(name).or_insert_with(|| Watched::new(before));
        }
        let seen = services.iter_mut().map(|(name, watched)| {
            let provider = live.providers.named(name);
            let glance = provider.map(|provider| provider.guard.glance(now));
            let used = used.get(name).copied().unwrap_or_default();
            (name.clone(), watched.note(used, glance.as_ref(), now))
        });
        let seen = seen.collect();
        let decided = decided.get_or_insert_with(|| Recent::new(LATELY, before));
        decided.note(app.metrics.decisions(), now);
        (seen, decided.grown())
    }
}

/// How many wait before limits that are about this provider and not about every one.
fn waiting_for(name: &str, live: &Arc<Live>, queues: &[QueueDepth]) -> u64 {
    let is_about = |limit: LimitId| {
        let limit = live.policy.limit(limit);
        let conditions = limit.map(|limit| limit.when.conditions()).unwrap_or_default();
        let mut of_providers = conditions.iter().filter(|(of, _)| *of == Attribute::Provider);
        of_providers.any(|(_, patterns)| patterns.iter().any(|pattern| pattern.matches(name)))
    };
    let about = queues.iter().filter(|queue| is_about(queue.limit));
    about.map(|queue| queue.waiting as u64).sum()
}
