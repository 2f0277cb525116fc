//! What the whole system does now and has done.

use axum::{Json, extract::State};
use serde::Serialize;
use tollgate_core::{Attribute, Attributes};

use super::{Problem, Shared, accounts, shown::LimitShown};
use crate::{
    cache::CacheTotals,
    metrics::{LimitTotals, Totals, UserCount},
    nodes::OverspendShown,
};

/// What the whole system does now and has done.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Stats {
    /// Requests that run now.
    global_concurrent: u64,
    /// Requests that wait.
    global_queue_size: u64,
    /// Users with running requests.
    total_users: u64,
    /// The first thousand of them by name.
    users: Vec<UserCount>,
    /// The policy, in short.
    config: ConfigShown,
    /// Where the limits that are kept for all requests together stand.
    limits: Vec<LimitShown>,
    /// What each limit has done since the start.
    refusals: Vec<LimitTotals>,
    /// What all requests since the start add up to.
    totals: Totals,
    /// What was answered without asking a provider, and what that saved.
    cache: CacheTotals,
    /// How far limits may be passed at worst when Redis fails; only where nodes share one.
    #[serde(skip_serializing_if = "Option::is_none")]
    overspend: Option<OverspendShown>,
}

/// The policy, in short.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ConfigShown {
    /// The profile that was chosen.
    profile: Option<String>,
    limits: Vec<Rule>,
}

/// One limit of the policy.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Rule {
    name: String,
    /// Which attributes it is kept per.
    per: Vec<String>,
    /// What it allows, in words.
    allows: String,
    /// Whether it counts and never refuses.
    shadow: bool,
    /// Whether it is a budget that warns and never refuses.
    soft: bool,
}

/// Users that are listed; all of them are counted.
const MAX_USERS: usize = 1_000;

/// Tells what the whole system does now and has done.
#[utoipa::path(get, path = "/v1/stats", tag = "statistics", responses(
    (status = 200, description = "The statistics", body = Stats),
    (status = 503, description = "The store cannot answer", body = Problem),
))]
pub(super) async fn stats(State(api): State<Shared>) -> Result<Json<Stats>, Problem> {
    let live = api.app.live();
    let now = api.app.gate.clock().now();
    api.held.expire(now.time);
    let common = accounts::common(&api.app, &live, now).await?;
    let metrics = &api.app.metrics;
    let (total_users, users) = metrics.users(MAX_USERS);
    let anybody = Attributes::new();
    let rules = live.policy.limits().iter().map(|limit| Rule {
        name: limit.name.to_string(),
        per: limit.per.iter().map(Attribute::name).map(str::to_owned).collect(),
        allows: limit.describe(&anybody),
        shadow: limit.shadow,
        soft: limit.warn.soft,
    });
    Ok(Json(Stats {
        global_concurrent: metrics.concurrent(),
        global_queue_size: metrics.queued(),
        total_users,
        users,
        config: ConfigShown { profile: live.profile.clone(), limits: rules.collect() },
        limits: common.iter().map(|(l, standing)| LimitShown::new(standing, l, now)).collect(),
        refusals: metrics.by_limit(),
        totals: metrics.totals(),
        cache: api.app.cache.tally.totals(),
        overspend: OverspendShown::of(&api.app),
    }))
}
