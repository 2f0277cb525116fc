//! What is answered at aliases: the paths by which a system that Tollgate takes the place of
//! was asked, in that system's own bodies, member by member.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use tollgate_core::{Attribute, policy::settings::Alias};

use super::{
    Problem, accounts,
    health::{self, Capacity, Checks},
    shown::Quantity,
    users::{self, Used},
};
use crate::{
    app::{App, VERSION},
    identity,
};

/// Whether it is healthy and how full it is.
#[derive(Debug, Serialize)]
struct Health {
    status: &'static str,
    api_key_configured: bool,
    version: &'static str,
    capacity: Option<Capacity>,
}

/// Whether it is healthy and whether each of its parts is.
#[derive(Debug, Serialize)]
struct Checked {
    status: &'static str,
    checks: Checks,
}

/// What a user has used and has left.
#[derive(Debug, Serialize)]
struct Stats {
    user_id: String,
    limits: Windows,
    cost: users::Cost,
}

/// Requests by the length of time in which they count, the shortest first.
#[derive(Debug, Serialize)]
struct Windows {
    #[serde(skip_serializing_if = "Option::is_none")]
    minute: Option<Window>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hour: Option<Window>,
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<Window>,
}

#[derive(Debug, Serialize)]
struct Window {
    current: Quantity,
    limit: Quantity,
    remaining: Quantity,
}

/// Answers at an alias.
pub(crate) async fn answer(app: &App, alias: Alias, headers: &HeaderMap) -> Response {
    match alias {
        Alias::Health => health(app).await,
        Alias::Checks => {
            let health = health::of(app).await;
            (health.code(), Json(Checked { status: health.status, checks: health.checks }))
                .into_response()
        }
        Alias::Stats => stats(app, headers).await.map_or_else(Problem::into_response, |stats| {
            // Who asks decides what is told, so nobody in between may keep it.
            ([(http::header::CACHE_CONTROL, "no-store")], Json(stats)).into_response()
        }),
    }
}

async fn health(app: &App) -> Response {
    let is_stored = health::is_stored(app).await;
    let health = Health {
        status: if is_stored { "healthy" } else { "unhealthy" },
        api_key_configured: health::has_provider_key(&app.live()),
        version: VERSION,
        capacity: health::capacity(app).await.unwrap_or_default(),
    };
    let code = if is_stored { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(health)).into_response()
}

/// The asking user's own: who it is, its key says, or headers where the policy trusts them.
async fn stats(app: &App, headers: &HeaderMap) -> Result<Stats, Problem> {
    let live = app.live();
    let now = app.gate.clock().now();
    let who = identity::of(headers, app, &live)?;
    let user = who.value(&Attribute::User).ok_or_else(|| {
        Problem::unauthorized(
            "Statistics are a user's own, so say who you are: send a Tollgate key (tg_…) as the API key.",
        )
    })?;
    let accounts = accounts::of_user(app, &live, user, &who, now).await?;
    let mut windows = users::by_window(&accounts, now);
    let mut window = |name| windows.remove(name).map(Window::from);
    Ok(Stats {
        user_id: user.to_owned(),
        limits: Windows { minute: window("minute"), hour: window("hour"), day: window("day") },
        cost: users::cost(&accounts),
    })
}

impl From<Used> for Window {
    fn from(used: Used) -> Self {
        Self { current: used.current, limit: used.limit, remaining: used.remaining }
    }
}
