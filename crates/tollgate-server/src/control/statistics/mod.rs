//! What was spent and refused, when, by whom and for what.

mod query;
mod refusals;
mod span;
mod spend;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{Router, routing::get};
use tokio::sync::Semaphore;

use crate::app::App;

/// What the questions share.
#[derive(Debug)]
struct Statistics {
    app: Arc<App>,
    /// Questions that may read the ledger at once.
    turns: Arc<Semaphore>,
}

/// Reading the ledger needs a core for a while, so most are left to those who are served.
const MAX_READERS: usize = 2;

/// What serves the statistics.
pub(super) fn router(app: Arc<App>) -> Router {
    let statistics = Statistics { app, turns: Arc::new(Semaphore::new(MAX_READERS)) };
    Router::new()
        .route("/v1/spend", get(spend::spent))
        .route("/v1/top", get(spend::top))
        .route("/v1/refusals", get(refusals::refusals))
        .with_state(Arc::new(statistics))
}
