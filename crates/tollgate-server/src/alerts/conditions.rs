//! How high each condition is now, by one look at everything.

use std::{collections::BTreeMap, time::Duration};

use compact_str::CompactString;
use parking_lot::Mutex;
use tollgate_core::{
    Now, Time,
    alert::{AlertName, Condition},
    breaker::State,
    policy::{Limit, Measure, settings::AlertRule},
};

use super::counted::Counted;
use crate::{
    api::accounts::Account,
    app::App,
    live::Live,
    monitor::{Look, Service},
    nodes,
};

/// What is looked at.
pub(super) struct Scene<'a> {
    pub(super) app: &'a App,
    pub(super) live: &'a Live,
    pub(super) look: &'a Look,
    /// Where the limits stand that are kept for all together.
    pub(super) common: &'a [Account<'a>],
    pub(super) rules: &'a [AlertRule],
    pub(super) now: Now,
}

/// Budgets kept per something that reached a part of themselves, by limit: how much of the worst
/// of its accounts is used, until its period ends.
#[derive(Debug, Default)]
pub(crate) struct Crossed(Mutex<BTreeMap<CompactString, (f64, Time)>>);

/// A minute's cost is compared with what is usual only once that is known of so long.
const USUAL_KNOWN: Duration = Duration::from_secs(600);

/// So many times what is usual stands for any number of times, as where nothing is.
const MOST_TIMES: f64 = 1e6;

/// The worst of each, by subject.
#[derive(Debug, Default)]
struct Found(Vec<Condition>);

/// The values of all conditions; what has no value is left out.
pub(super) fn of(scene: &Scene<'_>, counted: &mut Counted, crossed: &Crossed) -> Vec<Condition> {
    let mut found = Found::default();
    counted.keep(|name| scene.look.services.contains_key(name));
    for rule in scene.rules {
        match rule.rule.name {
            AlertName::Budget | AlertName::BudgetExhausted => {
                budgets(scene, rule.rule.name, crossed, &mut found);
            }
            AlertName::CircuitOpen => circuits(scene, &mut found),
            AlertName::CostSpike => spikes(scene, rule, &mut found),
            AlertName::CriticalHealth => {
                found.note(AlertName::CriticalHealth, "", f64::from(scene.look.score));
            }
            AlertName::FailOpen => {
                let (total, now) = (scene.app.metrics.decisions(), scene.now.time);
                let failures = counted.failed(rule.over, total, now);
                let is_unstored = counted.is_unstored(scene.look.is_stored, now);
                let is_away = scene.app.group.as_ref().is_some_and(|it| it.away().is_some());
                let failures = failures.max(u64::from(is_unstored || is_away));
                found.note(AlertName::FailOpen, "", failures as f64);
            }
            AlertName::FailureRate => failures(scene, rule, counted, &mut found),
            AlertName::LowTokens => left(scene, &mut found),
            AlertName::NodesDisagree => differences(scene, &mut found),
            AlertName::QueueFilling => queues(scene, &mut found),
            AlertName::RedisMemory => memory(scene, rule, counted, &mut found),
            AlertName::Refused => {
                let (total, now) = (scene.app.metrics.decisions(), scene.now.time);
                let decided = counted.decided(rule.over, total, now);
                let share = share(decided.held_back, decided.admitted, rule.least);
                found.note_some(AlertName::Refused, "", share);
            }
            AlertName::Utilisation => sessions(scene, &mut found),
        }
    }
    found.0
}

/// How much of each budget is used for good.
fn budgets(scene: &Scene<'_>, name: AlertName, crossed: &Crossed, found: &mut Found) {
    let is_budget =
        |limit: &Limit| matches!(limit.measure, Measure::Period { .. }) && !limit.shadow;
    for (limit, standing) in scene.common.iter().filter(|(limit, _)| is_budget(limit)) {
        if standing.cap > 0 {
            found.note(name, &limit.name, standing.spent() as f64 / standing.cap as f64);
        }
    }
    for (limit, share) in crossed.shares(scene.now.wall) {
        found.note(name, &limit, share);
    }
}

/// Whether circuits are open; half-open is half of it, for as long as somebody asks.
fn circuits(scene: &Scene<'_>, found: &mut Found) {
    for (name, service) in &scene.look.services {
        let value = match service.circuit {
            Some(State::Open { .. } | State::ForcedOpen) => 1.0,
            Some(State::HalfOpen { .. }) if !service.sign.is_idle() => 0.5,
            Some(State::HalfOpen { .. } | State::Closed | State::ForcedClosed) | None => 0.0,
        };
        found.note(AlertName::CircuitOpen, name, value);
    }
}

/// How many times what is usual a minute costs, of each service and of all together. Where less
/// is usual than the least that counts, it is so many times that: what is first asked after a
/// quiet night is no spike.
fn spikes(scene: &Scene<'_>, rule: &AlertRule, found: &mut Found) {
    let services = scene.look.services.iter().filter(|(name, _)| !name.is_empty());
    for (name, service) in services {
        found.note_some(AlertName::CostSpike, name, times(cost(service), rule));
    }
    let all = all_costs(scene.look);
    found.note_some(AlertName::CostSpike, "", times(all, rule));
}

/// What the last minute cost, what a minute usually costs, and for how long that is known.
pub(super) const fn cost(service: &Service) -> (u64, u64, Duration) {
    (service.nanos_per_minute, service.usual.0, service.usual.1)
}

/// The same of all services together.
pub(super) fn all_costs(look: &Look) -> (u64, u64, Duration) {
    look.services.values().map(cost).fold((0, 0, Duration::ZERO), |sum, one| {
        (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1), sum.2.max(one.2))
    })
}

fn times((nanos, usual, known): (u64, u64, Duration), rule: &AlertRule) -> Option<f64> {
    let usual = usual.max(rule.least_cost.0).max(1);
    (known >= USUAL_KNOWN).then(|| (nanos as f64 / usual as f64).min(MOST_TIMES))
}

/// The share of each provider's calls that fail.
fn failures(scene: &Scene<'_>, rule: &AlertRule, counted: &mut Counted, found: &mut Found) {
    for (name, service) in &scene.look.services {
        let calls = counted.calls(name, rule.over, service.calls, scene.now.time);
        let share = share(calls.failed, calls.served, rule.least);
        found.note_some(AlertName::FailureRate, name, share);
    }
}

/// What is left of buckets, and of what providers announce.
fn left(scene: &Scene<'_>, found: &mut Found) {
    let is_bucket =
        |limit: &Limit| matches!(limit.measure, Measure::Bucket { .. }) && limit.refuses();
    for (limit, standing) in scene.common.iter().filter(|(limit, _)| is_bucket(limit)) {
        if standing.cap > 0 {
            let left = standing.remaining as f64 / standing.cap as f64;
            found.note(AlertName::LowTokens, &limit.name, left);
        }
    }
    for (name, service) in &scene.look.services {
        found.note_some(AlertName::LowTokens, name, service.left);
    }
}

/// How full queues are: those before limits, and the lines before providers.
fn queues(scene: &Scene<'_>, found: &mut Found) {
    for queue in &scene.look.queues {
        if let Some(limit) = scene.live.policy.limit(queue.limit) {
            found.note(AlertName::QueueFilling, &limit.name, queue.fullest);
        }
    }
    for (name, service) in &scene.look.services {
        found.note(AlertName::QueueFilling, name, service.line);
    }
}

/// In what nodes do not agree.
fn differences(scene: &Scene<'_>, found: &mut Found) {
    let Some(group) = &scene.app.group else { return };
    let differences = group.differences();
    for subject in nodes::SUBJECTS {
        let is_one = differences.iter().any(|one| one.of == subject);
        found.note(AlertName::NodesDisagree, subject, f64::from(u8::from(is_one)));
    }
}

/// How full the fullest server of Redis is: wholly, where it has begun to evict.
fn memory(scene: &Scene<'_>, rule: &AlertRule, counted: &mut Counted, found: &mut Found) {
    let Some(group) = &scene.app.group else { return };
    let evicted = counted.evicted(rule.over, group.evictions(), scene.now.time);
    let share = group.fullest().map(|(_, memory)| memory.share());
    let share = if evicted > 0 { Some(1.0) } else { share };
    found.note_some(AlertName::RedisMemory, "", share);
}

/// How many of all sessions are taken.
fn sessions(scene: &Scene<'_>, found: &mut Found) {
    let is_of_sessions =
        |limit: &Limit| matches!(limit.measure, Measure::Sessions { .. }) && limit.refuses();
    for (limit, standing) in scene.common.iter().filter(|(limit, _)| is_of_sessions(limit)) {
        if standing.cap > 0 {
            let taken = standing.cap.saturating_sub(standing.remaining);
            found.note(AlertName::Utilisation, &limit.name, taken as f64 / standing.cap as f64);
        }
    }
}

/// What went wrong as a share of all; nothing where all are fewer than that.
fn share(wrong: u64, well: u64, least: u64) -> Option<f64> {
    let all = wrong.saturating_add(well);
    (all > 0 && all >= least).then(|| wrong as f64 / all as f64)
}

impl Found {
    fn note(&mut self, name: AlertName, subject: &str, value: f64) {
        // Two limits may have one name, kept per different attributes.
        let same = |it: &&mut Condition| it.name == name && it.subject == subject;
        match self.0.iter_mut().find(same) {
            Some(known) => {
                let is_low = name == AlertName::LowTokens;
                known.value = if is_low { known.value.min(value) } else { known.value.max(value) };
            }
            None => self.0.push(Condition { name, subject: subject.into(), value }),
        }
    }

    fn note_some(&mut self, name: AlertName, subject: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.note(name, subject, value);
        }
    }
}

impl Crossed {
    /// An account of this limit has used so much of its budget, whose period ends then.
    pub(crate) fn note(&self, limit: &Limit, percent: u8, wall: Time) {
        let Measure::Period { calendar, .. } = &limit.measure else { return };
        let tollgate_core::Kind::Period { end, .. } = calendar.period(wall) else { return };
        let (share, until) = (f64::from(percent) / 100.0, Time::from_nanos(end));
        let mut all = self.0.lock();
        let known = all.entry(limit.name.clone()).or_insert((share, until));
        if until > known.1 {
            *known = (share, until);
        }
        known.0 = known.0.max(share);
    }

    fn shares(&self, wall: Time) -> Vec<(CompactString, f64)> {
        let mut all = self.0.lock();
        all.retain(|_, (_, until)| *until > wall);
        all.iter().map(|(limit, (share, _))| (limit.clone(), *share)).collect()
    }
}
