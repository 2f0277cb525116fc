//! Keys, tiers, overrides, circuits and emergencies: what operators change through the control
//! plane, each change with its row of the audit. What it answers is on the disk and in force.

mod cache;
mod circuits;
mod emergency;
mod keys;
mod privileges;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post, put},
};
use serde::{Deserialize, Serialize};

use crate::{
    api::{Asking, Problem},
    app::App,
    net::Peer,
    roster::{AuditRow, Book, By, Chain, Moment, RosterError},
};

/// What serves the roster.
pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/keys", get(keys::list).post(keys::create))
        .route("/v1/keys/{id}", get(keys::show))
        .route("/v1/keys/{id}/rotate", post(keys::rotate))
        .route("/v1/keys/{id}/revoke", post(keys::revoke))
        .route("/v1/keys/{id}/providers/{provider}", put(keys::attach).delete(keys::detach))
        .route("/v1/tiers", get(privileges::tiers))
        .route("/v1/tiers/{user}", put(privileges::set_tier).delete(privileges::remove_tier))
        .route("/v1/overrides", get(privileges::overrides))
        .route(
            "/v1/overrides/{of}/{name}/{limit}",
            put(privileges::set_override).delete(privileges::remove_override),
        )
        .route("/v1/circuits", get(circuits::circuits))
        .route("/v1/circuits/{provider}", put(circuits::force).delete(circuits::release))
        .route("/v1/cache", get(cache::show).delete(cache::clear))
        .route("/v1/emergency", get(emergency::show).put(emergency::begin).delete(emergency::end))
        .route("/v1/audit", get(audit))
        .with_state(app)
}

/// What was changed, and whether that is all of it.
#[derive(Debug, Serialize)]
struct Audit {
    #[serde(flatten)]
    chain: Chain,
    /// The newest first.
    changes: Vec<AuditRow>,
}

/// Why something is changed, for the audit.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    reason: Option<String>,
}

/// How many changes are told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Most {
    #[serde(default = "usual")]
    limit: u32,
}

/// Keys or changes that one answer has, unless it is asked for another number, and at most.
const USUAL: u32 = 100;
const MOST: u32 = 1_000;

const fn usual() -> u32 {
    USUAL
}

/// Tells who changed what, and checks that nothing is missing.
async fn audit(
    State(app): State<Arc<App>>,
    Asking(Most { limit }): Asking<Most>,
) -> Result<Json<Audit>, Problem> {
    let read = move |book: &mut Book| {
        Ok(Audit { chain: book.verify()?, changes: book.audit(limit.min(MOST))? })
    };
    ask(&app, read).await.map(Json)
}

/// Reads the roster aside from the workers that serve.
async fn ask<T: Send + 'static>(
    app: &Arc<App>,
    read: impl FnOnce(&mut Book) -> Result<T, RosterError> + Send + 'static,
) -> Result<T, Problem> {
    let app = Arc::clone(app);
    done(tokio::task::spawn_blocking(move || app.roster.ask(read)).await)
}

/// Changes the roster aside from the workers that serve; whoever goes away meanwhile does not
/// stop it.
async fn change<T: Send + 'static>(
    app: &Arc<App>,
    make: impl FnOnce(&mut Book) -> Result<T, RosterError> + Send + 'static,
) -> Result<T, Problem> {
    let app = Arc::clone(app);
    done(tokio::task::spawn_blocking(move || app.roster.change(make)).await)
}

fn done<T>(made: Result<Result<T, RosterError>, tokio::task::JoinError>) -> Result<T, Problem> {
    // Only a process that ends lets go of what was begun.
    Ok(made.map_err(|_| Problem::unready("Tollgate is stopping; try again."))??)
}

/// Who asks and why, for the audit: whoever has the token is known by its address alone.
fn by(app: &App, peer: Option<&Peer>, reason: Option<String>) -> Result<By, Problem> {
    let from = peer.map_or_else(String::new, |peer| peer.remote.ip().to_string());
    let by = By { who: format!("api:{from}"), at: now(app), reason: None };
    Ok(by.because(reason)?)
}

fn now(app: &App) -> Moment {
    Moment::of(app.gate.clock().now().wall)
}
