//! How the process is and what it has done since its start.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use tollgate_core::{
    Attribute, Attributes,
    dial::Dial,
    policy::{Limit, settings::StoreKind},
};

use crate::{
    api::{Instant, LimitShown, accounts, is_stored},
    app::{App, Stage, VERSION},
    cache::CacheTotals,
    emergency,
    live::Live,
    metrics::{LimitTotals, Totals},
    nodes::{Group, NodeShown, RedisShown},
    roster::Emergency,
    warnings::{Warning, Warnings},
};

/// How the process is and what it has done since its start.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    /// `starting`, `serving` or `draining`.
    stage: &'static str,
    started_at: Instant,
    uptime_seconds: u64,
    /// The emergency that is in force, if one is.
    emergency: Option<Emergency>,
    /// Where the data plane listens.
    listen: String,
    policy: PolicyShown,
    store: StoreShown,
    totals: Totals,
    /// What was answered without asking a provider, and what that saved.
    cache: CacheTotals,
    /// Requests that run now.
    concurrent: u64,
    /// Users with running requests.
    users: u64,
    /// Parts of the process that have ended too early, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ended: Vec<&'static str>,
    limits: Vec<LimitStatus>,
    /// The nodes that share these numbers, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<NodeShown>,
    /// Budgets that reached a threshold of late, the newest first.
    budget_warnings: Vec<Warning>,
}

/// The policy in force, in short.
#[derive(Debug, Serialize)]
struct PolicyShown {
    /// The profile that was chosen.
    profile: Option<String>,
    /// Every provider, in the order of the alphabet.
    providers: Vec<String>,
    /// What is allowed but probably not meant.
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct StoreShown {
    /// `memory`, `embedded` or `redis`.
    kind: StoreKind,
    /// How Redis is, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    redis: Option<RedisShown>,
    /// Whether what it answers survives a crash of the process, as far as its kind promises.
    healthy: bool,
}

/// One limit of the policy, and what it did.
#[derive(Debug, Serialize)]
struct LimitStatus {
    name: String,
    /// Which attributes it is kept per.
    per: Vec<String>,
    /// What it allows, in words.
    allows: String,
    /// Whether it counts and never refuses.
    shadow: bool,
    /// Whether it is a budget that warns and never refuses.
    soft: bool,
    /// The shares at which it warns.
    warn_at: Vec<f64>,
    refused: u64,
    /// Requests that waited for it, whatever came of them.
    waited: u64,
    shadowed: u64,
    warned: u64,
    /// The share of it that is allowed now, where it follows a budget; in an emergency, the
    /// share that critical work keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    dial: Option<f64>,
    /// Where it stands, if it is kept for all requests together.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<LimitShown>,
}

/// Tells how the process is and what it has done since its start.
pub(super) async fn status(State(app): State<Arc<App>>) -> Json<Status> {
    let live = app.live();
    let now = app.gate.clock().now();
    Warnings::collect(&app);
    let common = accounts::common(&app, &live, now).await.unwrap_or_default();
    let done = app.metrics.by_limit();
    let emergency = emergency::now(&app);
    let limits = live.policy.limits().iter().map(|limit| {
        let account = common.iter().find(|(other, _)| other.id == limit.id);
        let standing = account.map(|(limit, standing)| LimitShown::new(standing, limit, now));
        let dial = app.roster.dials().of(limit.id).map(Dial::share);
        let dial = match &emergency {
            Some(_) => Some(limit.kept_share().min(dial.unwrap_or(1.0))),
            None => dial,
        };
        LimitStatus { dial, ..LimitStatus::new(limit, &done, standing) }
    });
    Json(Status {
        version: VERSION,
        stage: match app.stage() {
            Stage::Starting => "starting",
            Stage::Serving => "serving",
            Stage::Draining => "draining",
        },
        started_at: Instant::new(app.started.time, app.started),
        uptime_seconds: now.time.since(app.started.time).as_secs(),
        emergency: emergency.as_deref().cloned(),
        listen: app.listen.to_string(),
        policy: PolicyShown::new(&live),
        store: StoreShown {
            kind: live.settings.store.kind,
            redis: app.group.as_ref().map(|group| group.redis(now)),
            healthy: is_stored(&app).await,
        },
        nodes: app.group.as_ref().map(Group::nodes).unwrap_or_default(),
        totals: app.metrics.totals(),
        cache: app.cache.tally.totals(),
        concurrent: app.metrics.concurrent(),
        users: app.metrics.users(0).0,
        ended: app.ended.names(),
        limits: limits.collect(),
        budget_warnings: app.warnings.latest(),
    })
}

impl PolicyShown {
    fn new(live: &Live) -> Self {
        Self {
            profile: live.profile.clone(),
            providers: live.providers.names().into_iter().map(str::to_owned).collect(),
            warnings: live.warnings.iter().map(|warning| warning.on_one_line()).collect(),
        }
    }
}

impl LimitStatus {
    fn new(limit: &Limit, done: &[LimitTotals], standing: Option<LimitShown>) -> Self {
        let done = done.iter().find(|done| done.limit == limit.name);
        Self {
            name: limit.name.to_string(),
            per: limit.per.iter().map(Attribute::name).map(str::to_owned).collect(),
            allows: limit.describe(&Attributes::new()),
            shadow: limit.shadow,
            soft: limit.warn.soft,
            warn_at: limit.warn.percents().map(|percent| f64::from(percent) / 100.0).collect(),
            refused: done.map_or(0, |done| done.refused),
            waited: done.map_or(0, |done| done.waited),
            dial: None,
            shadowed: done.map_or(0, |done| done.shadowed),
            warned: done.map_or(0, |done| done.warned),
            standing,
        }
    }
}
