//! `/v1/emergency`: whether there is one, and the beginning and end of it.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};

use super::{Why, by};
use crate::{
    api::{Asking, Input, Problem},
    app::App,
    emergency::{self, Begin},
    net::Peer,
    roster::{Emergency, Moment},
};

/// The emergency that is in force, if one is.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    emergency: Option<Emergency>,
}

/// For how long, why, and whether with cheaper models.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEmergency {
    #[serde(rename = "for")]
    lasts: Option<String>,
    reason: Option<String>,
    downgrade: Option<bool>,
}

/// Tells of the one in force.
pub(super) async fn show(State(app): State<Arc<App>>) -> Json<Shown> {
    Json(Shown { emergency: emergency::now(&app).as_deref().cloned() })
}

/// Begins one, or gives the one in force another end. It holds for the next decision.
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    Input(NewEmergency { lasts, reason, downgrade }): Input<NewEmergency>,
) -> Result<Json<Shown>, Problem> {
    let by = by(&app, peer.as_deref(), reason)?;
    let until = lasts.map(|text| Moment::later(&text, by.at)).transpose();
    let until = until.map_err(|why| Problem::invalid(format!("`for`: {why}.")))?;
    let begun = emergency::begin(&app, Begin { by, until, downgrade }).await?;
    Ok(Json(Shown { emergency: Some(begun) }))
}

/// Ends it. The next decision is as without it.
pub(super) async fn end(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    Asking(Why { reason }): Asking<Why>,
) -> Result<Json<Shown>, Problem> {
    let by = by(&app, peer.as_deref(), reason)?;
    emergency::end(&app, by).await?;
    Ok(Json(Shown { emergency: None }))
}
