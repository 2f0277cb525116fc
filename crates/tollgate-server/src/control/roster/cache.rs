//! What is cached, for operators, and the clearing of it.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollgate_core::policy::settings::CacheScope;

use super::{by, change};
use crate::{
    api::{Asking, Problem},
    app::App,
    cache::{CacheTotals, Cleared, Holding, Selector},
    net::Peer,
    roster::Change,
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

/// What is cleared, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Clearing {
    user: Option<CompactString>,
    model: Option<CompactString>,
    tag: Option<CompactString>,
    reason: Option<String>,
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
    peer: Option<Extension<Peer>>,
    Asking(Clearing { user, model, tag, reason }): Asking<Clearing>,
) -> Result<Json<Cleared>, Problem> {
    let by = by(&app, peer.as_deref(), reason)?;
    let selector = Selector { user, model, tag };
    let cleared = app.cache.clear(&selector).await?;
    let (what, subject, after) = ("cache.clear", String::new(), json!({ "cleared": cleared }));
    let cleared_of = json!({ "of": selector });
    let row = Change { what, subject, before: cleared_of, after };
    change(&app, move |book| book.note(row, &by)).await?;
    Ok(Json(cleared))
}
