//! Whether the process lives, is ready, and has room.

use std::time::Duration;

use axum::{Json, extract::State};
use http::StatusCode;
use serde::Serialize;
use tollgate::Store as _;

use super::{Problem, Shared, accounts};
use crate::{
    app::{App, Stage, VERSION},
    emergency,
    live::Live,
    nodes::Group,
};

/// How the whole system is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Health {
    /// `healthy`, `draining` or `unhealthy`.
    pub(super) status: &'static str,
    /// Whether only critical requests pass.
    emergency: bool,
    version: &'static str,
    /// Whether the policy gives a key to some provider.
    api_key_configured: bool,
    capacity: Option<Capacity>,
    /// Parts of the process that have ended too early, where there are any: it is to be started anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ended: Vec<&'static str>,
    /// Every part with its state: `available`, `connected`, `unavailable`, or
    /// `not_configured` where there is none.
    pub(super) checks: Checks,
}

/// Every part with its state.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Checks {
    /// What decides.
    assistant_service: &'static str,
    redis: &'static str,
    /// How long Redis took to answer last, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    redis_response_ms: Option<f64>,
    /// The ledger.
    database: &'static str,
}

/// How full the server is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Capacity {
    /// Live sessions; running requests where the policy limits no sessions.
    active_sessions: u64,
    /// The most there may be.
    max_sessions: u64,
    /// Whether there is room for another.
    available: bool,
    /// Rounded to a tenth.
    #[schema(example = 66.7)]
    utilization_percent: f64,
}

/// What everybody may know: how full the server is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Open {
    status: &'static str,
    /// Whether only critical requests pass.
    emergency: bool,
    capacity: Option<Capacity>,
}

/// The process lives.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Life {
    status: &'static str,
}

/// How long the store may take to say that it is well.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells how the whole system is.
#[utoipa::path(get, path = "/v1/health", tag = "health", responses(
    (status = 200, description = "It is healthy", body = Health),
    (status = 503, description = "It is not, or finishes", body = Health),
))]
pub(super) async fn health(State(api): State<Shared>) -> (StatusCode, Json<Health>) {
    let health = of(&api.app).await;
    (health.code(), Json(health))
}

/// How the whole system is.
pub(super) async fn of(app: &App) -> Health {
    let live = app.live();
    let is_stored = is_stored(app).await;
    let ended = app.ended.names();
    let status = match app.stage() {
        _ if !is_stored || !ended.is_empty() => "unhealthy",
        Stage::Draining => "draining",
        Stage::Starting | Stage::Serving => "healthy",
    };
    let database = match live.settings.store.ledger() {
        _ if !is_stored => "unavailable",
        None => "not_configured",
        Some(_) => "connected",
    };
    let (redis, redis_response_ms) = match &app.group {
        None => ("not_configured", None),
        Some(group) if group.away().is_some() => ("unavailable", None),
        Some(group) => ("connected", group.response_ms()),
    };
    let assistant_service = if is_stored { "available" } else { "unavailable" };
    Health {
        status,
        emergency: emergency::now(app).is_some(),
        version: VERSION,
        api_key_configured: has_provider_key(&live),
        capacity: capacity(app).await.unwrap_or_default(),
        ended,
        checks: Checks { assistant_service, redis, redis_response_ms, database },
    }
}

/// Whether the policy gives a key to some provider.
pub(super) fn has_provider_key(live: &Live) -> bool {
    live.settings.providers.values().any(|its| its.api_key.is_some())
}

/// The process lives.
#[utoipa::path(get, path = "/livez", tag = "health", responses(
    (status = 200, description = "It lives", body = Life),
))]
pub(super) async fn livez() -> Json<Life> {
    Json(Life { status: "alive" })
}

/// The process takes requests.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "It takes requests", body = Life),
    (status = 503, description = "It starts, finishes, or cannot store", body = Problem),
))]
pub(super) async fn readyz(State(api): State<Shared>) -> Result<Json<Life>, Problem> {
    match api.app.stage() {
        Stage::Starting => Err(Problem::unready("The process is starting: try again soon.")),
        Stage::Draining => {
            Err(Problem::unready("The process is stopping and takes nothing new: ask another."))
        }
        Stage::Serving if is_stored(&api.app).await => Ok(Json(Life { status: "ready" })),
        Stage::Serving => {
            Err(Problem::unready("The store can't be reached or written: see the log."))
        }
    }
}

/// Tells everybody how full the server is, and nothing else.
#[utoipa::path(get, path = "/tollgate/health", tag = "health", responses(
    (status = 200, description = "How full it is", body = Open),
    (status = 503, description = "It cannot be told", body = Problem),
))]
pub(super) async fn capacity_for_all(State(api): State<Shared>) -> Result<Json<Open>, Problem> {
    let emergency = emergency::now(&api.app).is_some();
    Ok(Json(Open { status: "healthy", emergency, capacity: capacity(&api.app).await? }))
}

/// How full the server is, where anything limits that.
pub(super) async fn capacity(app: &App) -> Result<Option<Capacity>, Problem> {
    let live = app.live();
    let now = app.gate.clock().now();
    let common = accounts::common(app, &live, now).await?;
    Ok(accounts::capacity(&common)
        .map(|(_, standing)| Capacity::new(standing.cap, standing.remaining)))
}

/// Whether what is answered now would survive a crash.
pub(crate) async fn is_stored(app: &App) -> bool {
    if app.group.as_ref().is_some_and(Group::is_closed) {
        return false;
    }
    let durable = tokio::time::timeout(PATIENCE, app.gate.store().durable()).await;
    matches!(durable, Ok(Ok(())))
}

impl Health {
    pub(super) fn code(&self) -> StatusCode {
        if self.status == "healthy" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    }
}

impl Capacity {
    fn new(max: u64, remaining: u64) -> Self {
        let active = max.saturating_sub(remaining);
        let share = if max == 0 { 1.0 } else { active as f64 / max as f64 };
        Self {
            active_sessions: active,
            max_sessions: max,
            available: remaining > 0,
            utilization_percent: (share * 1000.0).round() / 10.0,
        }
    }
}
