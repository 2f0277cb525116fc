//! `/v1/circuits`: how each provider's models do, and what an operator forces of them.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{by, change};
use crate::{
    api::{Asking, Input, Named, Problem},
    app::App,
    guards::Circuit,
    net::Peer,
    roster::{Force, ForcedCircuit, Which},
};

/// What stands before each model that was asked for of late, by provider and model.
#[derive(Debug, Serialize)]
pub(super) struct Circuits {
    circuits: Vec<Circuit>,
}

/// How a circuit is forced, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewForce {
    mode: Force,
    model: Option<String>,
    reason: Option<String>,
}

/// Of which model; of all that are not forced themselves if none is named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfModel {
    model: Option<String>,
    reason: Option<String>,
}

/// Lists all of them.
pub(super) async fn circuits(State(app): State<Arc<App>>) -> Json<Circuits> {
    let (live, now) = (app.live(), app.gate.clock().now());
    let names = live.providers.names();
    let providers = names.into_iter().filter_map(|name| live.providers.named(name));
    let circuits = providers.flat_map(|provider| provider.guard.circuits(now)).collect();
    Json(Circuits { circuits })
}

/// Forces one.
pub(super) async fn force(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    Named(provider): Named,
    Input(NewForce { mode, model, reason }): Input<NewForce>,
) -> Result<Json<ForcedCircuit>, Problem> {
    if app.live().providers.named(&provider).is_none() {
        let names = app.live().providers.names().join(", ");
        let sentence = format!("The policy has no provider of that name; it has {names}.");
        return Err(Problem::not_found(sentence));
    }
    let by = by(&app, peer.as_deref(), reason)?;
    let which = Which { provider, model };
    let forced = change(&app, move |book| book.force_circuit(which, mode, &by)).await?;
    app.force_circuits();
    Ok(Json(forced))
}

/// Lets one go.
pub(super) async fn release(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    Named(provider): Named,
    Asking(OfModel { model, reason }): Asking<OfModel>,
) -> Result<StatusCode, Problem> {
    let (by, which) = (by(&app, peer.as_deref(), reason)?, Which { provider, model });
    change(&app, move |book| book.release_circuit(&which, &by)).await?;
    app.force_circuits();
    Ok(StatusCode::NO_CONTENT)
}
