//! `/v1/tiers` and `/v1/overrides`: what single callers have that others have not.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{MOST, Why, ask, by, change, now, usual};
use crate::{
    api::{Asking, Input, Named, Problem},
    app::App,
    net::Peer,
    roster::{Moment, Of, Override, Tier, Whose},
};

/// Users' tiers, in the order of the users' names.
#[derive(Debug, Serialize)]
pub(super) struct Tiers {
    tiers: Vec<Tier>,
    /// What `after` is for the next ones, where there may be more.
    next: Option<String>,
}

/// Which of them are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    after: String,
    #[serde(default = "usual")]
    limit: u32,
}

/// Into which tier.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTier {
    tier: String,
    reason: Option<String>,
}

/// Overrides, by whose they are.
#[derive(Debug, Serialize)]
pub(super) struct Overrides {
    overrides: Vec<Shown>,
}

/// How many are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Most {
    #[serde(default = "usual")]
    limit: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    row: Override,
    /// `in_force`, `over`, or `idle`: nothing of the policy fits it.
    state: &'static str,
}

/// How much, and until when.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAmount {
    amount: String,
    until: Option<String>,
    reason: Option<String>,
}

type OfWhom = Result<Path<(Of, String, String)>, PathRejection>;

/// Lists users that were put into tiers.
pub(super) async fn tiers(
    State(app): State<Arc<App>>,
    Asking(Which { after, limit }): Asking<Which>,
) -> Result<Json<Tiers>, Problem> {
    let most = limit.clamp(1, MOST);
    let tiers = ask(&app, move |book| book.tiers(&after, most)).await?;
    let is_full = u32::try_from(tiers.len()).is_ok_and(|count| count == most);
    let next = tiers.last().filter(|_| is_full).map(|tier| tier.user.clone());
    Ok(Json(Tiers { tiers, next }))
}

/// Puts a user into a tier.
pub(super) async fn set_tier(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    Named(user): Named,
    Input(NewTier { tier, reason }): Input<NewTier>,
) -> Result<Json<Tier>, Problem> {
    let by = by(&app, peer.as_deref(), reason)?;
    change(&app, move |book| book.set_tier(&user, &tier, &by)).await.map(Json)
}

/// Takes a user out of its tier.
pub(super) async fn remove_tier(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    Named(user): Named,
    Asking(Why { reason }): Asking<Why>,
) -> Result<StatusCode, Problem> {
    let by = by(&app, peer.as_deref(), reason)?;
    change(&app, move |book| book.remove_tier(&user, &by)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists overrides.
pub(super) async fn overrides(
    State(app): State<Arc<App>>,
    Asking(Most { limit }): Asking<Most>,
) -> Result<Json<Overrides>, Problem> {
    let rows = ask(&app, move |book| book.overrides(limit.clamp(1, MOST))).await?;
    let overrides = rows.into_iter().map(|row| Shown::new(row, &app)).collect();
    Ok(Json(Overrides { overrides }))
}

/// Gives a caller another amount of a limit.
pub(super) async fn set_override(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    path: OfWhom,
    Input(NewAmount { amount, until, reason }): Input<NewAmount>,
) -> Result<Json<Shown>, Problem> {
    let (whose, by) = (whose(path)?, by(&app, peer.as_deref(), reason)?);
    let until = until.map(|text| Moment::until(&text, by.at)).transpose();
    let until = until.map_err(|why| Problem::invalid(format!("`until`: {why}.")))?;
    whose.grants(&amount, &app.live().policy)?;
    let set = change(&app, move |book| book.set_override(whose, &amount, until, &by)).await?;
    Ok(Json(Shown::new(set, &app)))
}

/// Takes a caller's own amount of a limit away.
pub(super) async fn remove_override(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    path: OfWhom,
    Asking(Why { reason }): Asking<Why>,
) -> Result<StatusCode, Problem> {
    let (whose, by) = (whose(path)?, by(&app, peer.as_deref(), reason)?);
    change(&app, move |book| book.remove_override(&whose, &by)).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Shown {
    fn new(row: Override, app: &App) -> Self {
        let state = row.state(&app.live().policy, now(app));
        Self { row, state }
    }
}

fn whose(path: OfWhom) -> Result<Whose, Problem> {
    let Path((of, name, limit)) = path.map_err(|why| {
        Problem::invalid(format!(
            "The path is /v1/overrides/ with user, key or team, a name and a limit: {}.",
            why.body_text()
        ))
    })?;
    Ok(Whose { of, name, limit })
}
