//! What is cached, for operators, and the clearing of it.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use tollgate_core::policy::settings::CacheScope;

use crate::{
    api::{Asking, Problem},
    app::App,
    cache::{CacheTotals, Cleared, Holding, Selector},
};

/// What is cached, and what that did since the start.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    /// Whether answers of providers are kept.
    enabled: bool,
    scope: CacheScope,
    /// The most bytes of answers, and of entries.
    max_bytes: u64,
    /// Answers of providers.
    answers: Holding,
    /// Entries of applications.
    entries: Holding,
    totals: CacheTotals,
}

/// Tells what is cached.
pub(super) async fn show(State(app): State<Arc<App>>) -> Json<Shown> {
    let (live, now) = (app.live(), app.gate.clock().now().time);
    let settings = &live.settings.cache;
    Json(Shown {
        enabled: settings.enabled,
        scope: settings.scope,
        max_bytes: settings.max_bytes,
        answers: app.cache.answers.holding(now),
        entries: app.cache.entries.holding(now),
        totals: app.cache.tally.totals(),
    })
}

/// Clears what has all that is named, or all where nothing is.
pub(super) async fn clear(
    State(app): State<Arc<App>>,
    Asking(selector): Asking<Selector>,
) -> Result<Json<Cleared>, Problem> {
    Ok(Json(app.cache.clear(&selector).await?))
}
