//! `GET /v1/decisions/{id}`: what is kept of a decision that is in no ledger.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::Value;
use tollgate_core::ReservationId;
use uuid::Uuid;

use crate::{
    api::{Named, Problem},
    app::App,
    decisions::MAX_DECISIONS,
};

/// What is kept of an id.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    id: Uuid,
    /// The oldest first.
    decisions: Vec<Value>,
}

/// Tells what is kept of an id.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Named(id): Named,
) -> Result<Json<Shown>, Problem> {
    let id: Uuid = id.parse().map_err(|_| {
        Problem::invalid(format!(
            "`{id}` is no id of a decision: it is a UUID, as X-Tollgate-Request-Id told it."
        ))
    })?;
    let decisions = app.decisions.find(ReservationId(id.as_u128()));
    if decisions.is_empty() {
        return Err(Problem::not_found(format!(
            "Nothing is kept of {id}: kept are the last {MAX_DECISIONS} refusals, failures and requests that waited or were tried elsewhere, since the start. What was admitted is in the ledger."
        )));
    }
    Ok(Json(Shown { id, decisions }))
}
