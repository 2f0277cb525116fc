//! The control plane: how the process is, what it has done, which policy is in force, and who
//! may ask for what.
//!
//! It is for operators alone: what it shows goes to nobody without the token of `[admin]`,
//! or, where none is set, to programs on the same machine.

mod decisions;
mod monitor;
mod roster;
mod statistics;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderValue, header};
use tollgate_core::policy::Limit;

use crate::{
    api::{self, Door, Problem, accounts},
    app::App,
    emergency, guards,
    live::Live,
    metrics::{CONTENT_TYPE, Gauges},
    nodes,
    warnings::Warnings,
};

/// What serves the control plane.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/status", get(status::status))
        .route("/metrics", get(metrics))
        .route("/policy", get(policy))
        .route("/v1/monitor", get(monitor::monitor))
        .route("/v1/decisions/{id}", get(decisions::show))
        .route("/v1/explain", post(api::explain))
        .with_state(Arc::clone(&app))
        .merge(statistics::router(Arc::clone(&app)))
        .merge(roster::router(Arc::clone(&app)))
        .fallback(nowhere)
        .layer(middleware::from_fn_with_state(app, guard))
}

async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let live = app.live();
    let token = live.settings.admin.token.as_ref();
    let door = Door { token, section: "admin", listen: app.admin_listen };
    match api::operator(door, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn nowhere() -> Problem {
    Problem::not_found(
        "There is nothing at this path: the control plane has /status, /metrics, /policy, /v1/monitor, /v1/cache, /v1/decisions/{id}, /v1/explain, /v1/spend, /v1/top, /v1/refusals, /v1/keys, /v1/tiers, /v1/overrides, /v1/circuits, /v1/emergency and /v1/audit.",
    )
}

/// The numbers as Prometheus reads them.
async fn metrics(State(app): State<Arc<App>>) -> Response {
    let live = app.live();
    Warnings::collect(&app);
    // What the store cannot tell is left out; the rest is still worth reading.
    let common = accounts::common(&app, &live, app.gate.clock().now()).await.unwrap_or_default();
    let gauges = Gauges {
        sessions_active: accounts::active_sessions(&common),
        circuits: guards::circuit_states(&live.providers, app.gate.clock().now().time),
        cache: app.cache.tally.totals(),
        dials: dials(&app, &live),
        alerts: app.alerts.counts(),
        notifications: notifications(&app),
        health_score: app.alerts.score(),
        is_emergency: emergency::now(&app).is_some(),
        live_nodes: app.group.as_ref().map(|group| group.members().live() as u64),
        alone: nodes::decided_alone(&app),
        leases: nodes::leases(&app),
    };
    match app.metrics.text(gauges) {
        Ok(text) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            Problem::unready("The metrics can't be written: see the log.").into_response()
        }
    }
}

/// What came of notifications, by sink and outcome.
fn notifications(app: &App) -> Vec<([String; 2], u64)> {
    let all = app.alerts.outcomes().into_iter();
    all.map(|(sink, outcome, count)| ([sink, outcome.name().to_owned()], count)).collect()
}

/// The share that is allowed of each limit that follows a budget.
fn dials(app: &App, live: &Live) -> Vec<(String, f64)> {
    let dialed =
        |limit: &Limit| Some((limit.name.to_string(), app.roster.dials().of(limit.id)?.share()));
    live.policy.limits().iter().filter_map(dialed).collect()
}

/// The policy in force as TOML, with secrets shown as `env:NAME`.
async fn policy(State(app): State<Arc<App>>) -> Response {
    let toml = HeaderValue::from_static("application/toml");
    ([(header::CONTENT_TYPE, toml)], app.live().effective.clone()).into_response()
}
