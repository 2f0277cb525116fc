//! Who is told that something is wrong, once, and that it is over.
//!
//! Once a second, beside the requests, it is looked how everything is ([`conditions`]); the
//! core's machines say which alerts begin and which are over, and sinks tell people. What fires
//! is known here for the control plane and the metrics. Nothing of it is on a request's way.

mod conditions;
mod counted;
mod notice;
mod sinks;
mod words;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tollgate_core::{
    Now,
    alert::{AlertName, Book, Condition, Event, Rule, Severity, Subject, Turn},
    policy::{
        Limit,
        settings::{AlertRule, Trigger},
    },
};

use crate::{
    api::{Instant, accounts},
    app::App,
    emergency,
    live::Live,
    monitor,
    warnings::Warnings,
};

pub(crate) use conditions::Crossed;
use conditions::Scene;
use counted::Counted;
pub(crate) use notice::{Firing, Kind, Notice};
pub(crate) use sinks::{Outcome, Sinks, deliver};

/// The alerts of a process.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    state: Mutex<State>,
    /// Budgets of single users, teams and the like that reached a part of themselves.
    pub(crate) crossed: Crossed,
    sinks: Sinks,
}

#[derive(Debug, Default)]
struct State {
    book: Book,
    counted: Counted,
    /// What fires, as it was told.
    firing: BTreeMap<(AlertName, Subject), Firing>,
    /// How often a subject was not watched, as was told last.
    lost: u64,
    /// The score that was seen last.
    score: Option<u8>,
}

/// How often it is looked.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Looks for as long as the process lives.
pub(crate) async fn attend(app: Arc<App>) {
    loop {
        look(&app).await;
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Looks how everything is, and tells whoever is to be told.
pub(crate) async fn look(app: &Arc<App>) {
    let look = monitor::look(app).await;
    Warnings::collect(app);
    let (live, now) = (app.live(), app.gate.clock().now());
    let settings = &live.settings.alerts;
    app.alerts.sinks.adopt(&settings.sinks, app.gate.clock());
    let rules = settings.rules();
    // What the store cannot tell of holds nothing; that it cannot is an alert of its own.
    let common = accounts::common(app, &live, now).await.unwrap_or_default();
    let scene = Scene { app, live: &live, look: &look, common: &common, rules: &rules, now };
    let notices = app.alerts.step(&scene);
    for notice in &notices {
        app.alerts.tell(&live, notice);
        begin_emergency(app, &live, notice).await;
    }
}

/// Begins an emergency where the policy wants that for what a notice tells.
async fn begin_emergency(app: &Arc<App>, live: &Live, notice: &Notice) {
    let Notice { kind: Kind::Fired, firing: Firing { name, subject, message, .. }, .. } = notice
    else {
        return;
    };
    // What one user has spent, or one of several providers costs, is no emergency of all.
    let is_for_all = |limit: &Limit| {
        limit.per.is_empty()
            && limit.when.conditions().is_empty()
            && limit.refuses()
            && subject.as_deref().is_some_and(|subject| limit.name == subject)
    };
    let trigger = match name {
        AlertName::CostSpike if subject.is_none() => Trigger::CostSpike,
        AlertName::CriticalHealth => Trigger::CriticalHealth,
        AlertName::BudgetExhausted if live.policy.limits().iter().any(is_for_all) => {
            Trigger::BudgetExhausted
        }
        _ => return,
    };
    if let Err(error) = emergency::begin_by_itself(app, trigger, message).await {
        tracing::error!(%error, "the emergency that the policy wants could not be begun");
    }
}

impl Alerts {
    /// What begins and what is over, by this look.
    fn step(&self, scene: &Scene<'_>) -> Vec<Notice> {
        let mut state = self.state.lock();
        let state = &mut *state;
        state.score = Some(scene.look.score);
        let conditions = conditions::of(scene, &mut state.counted, &self.crossed);
        let plain: Vec<Rule> = scene.rules.iter().map(|rule| rule.rule.clone()).collect();
        let events = state.book.look(&plain, &conditions, scene.now.time);
        if state.book.lost() > state.lost {
            state.lost = state.book.lost();
            tracing::warn!(times = state.lost, "ALERT: more is wrong than can be watched");
        }
        state.refresh(&conditions);
        events.iter().filter_map(|event| state.notice(event, scene)).collect()
    }

    /// Tells everybody who is to be told.
    pub(crate) fn tell(&self, live: &Live, notice: &Notice) {
        if live.settings.alerts.log {
            notice.log();
        }
        self.sinks.send(notice);
    }

    /// The alerts that fire now, the oldest first.
    pub(crate) fn firing(&self) -> Vec<Firing> {
        let mut all: Vec<_> = self.state.lock().firing.values().cloned().collect();
        all.sort_by_key(|firing| firing.since_at);
        all
    }

    /// How many of each alert fire now.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let state = self.state.lock();
        let count = |name: AlertName| {
            let of_it = state.firing.keys().filter(|(other, _)| *other == name);
            (name.to_string(), of_it.count() as u64)
        };
        AlertName::ALL.into_iter().map(count).collect()
    }

    /// The health score that was seen last.
    pub(crate) fn score(&self) -> Option<u8> {
        self.state.lock().score
    }

    /// What came of notifications, by sink.
    pub(crate) fn outcomes(&self) -> Vec<(String, Outcome, u64)> {
        self.sinks.outcomes()
    }

    /// Tells that what fires is watched no longer, and waits briefly for what is on its way.
    pub(crate) async fn close(&self, live: &Live, now: Now) {
        let firing = std::mem::take(&mut self.state.lock().firing);
        for mut firing in firing.into_values() {
            firing.message = words::unwatched(&firing);
            let at = Instant::new(now.time, now);
            self.tell(live, &Notice::new(Kind::Cleared, firing, at));
        }
        self.sinks.close().await;
    }
}

impl State {
    /// What fires has these values now.
    fn refresh(&mut self, conditions: &[Condition]) {
        for condition in conditions {
            let key = (condition.name, condition.subject.clone());
            if let Some(firing) = self.firing.get_mut(&key) {
                firing.value = notice::shown(condition.value);
            }
        }
    }

    /// What is told of an event.
    fn notice(&mut self, event: &Event, scene: &Scene<'_>) -> Option<Notice> {
        let key = (event.name, event.subject.clone());
        let at = Instant::new(scene.now.time, scene.now);
        match event.turn {
            Turn::Fire => {
                let rule = scene.rules.iter().find(|rule| rule.rule.name == event.name)?;
                let firing = firing(event, rule, scene);
                self.firing.insert(key, firing.clone());
                Some(Notice::new(Kind::Fired, firing, at))
            }
            Turn::Clear => {
                let mut firing = self.firing.remove(&key)?;
                if let Some(value) = event.value {
                    firing.value = notice::shown(value);
                }
                firing.message = words::over(&firing);
                Some(Notice::new(Kind::Cleared, firing, at))
            }
        }
    }
}

fn firing(event: &Event, rule: &AlertRule, scene: &Scene<'_>) -> Firing {
    let value = event.value.unwrap_or_default();
    Firing {
        name: event.name,
        severity: severity(event, rule, scene),
        subject: Some(event.subject.to_string()).filter(|subject| !subject.is_empty()),
        value: notice::shown(value),
        threshold: rule.rule.threshold,
        since_at: Instant::new(event.since, scene.now),
        message: words::of(event, rule, scene),
    }
}

/// As the rule has it; but that one user has spent a budget wakes nobody, unless the policy says so.
fn severity(event: &Event, rule: &AlertRule, scene: &Scene<'_>) -> Severity {
    let is_said = scene.live.settings.alerts.of(event.name).severity.is_some();
    let is_budget = matches!(event.name, AlertName::Budget | AlertName::BudgetExhausted);
    if is_budget && !is_said && words::of_one(&event.subject, scene).is_some() {
        return Severity::Warning;
    }
    rule.rule.severity
}
