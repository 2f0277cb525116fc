//! Permits that were given: more of them, longer, and their end.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tollgate::{Receipt, Store as _, StoreError};
use tollgate_core::{Amounts, Attribute, Demand, NanoUsd, Now, ReservationId, Usage};
use tollgate_meter::Counts;
use uuid::Uuid;

use super::{
    Api, Instant, Problem, Shared, admitted,
    asked::Amount,
    deadlines::{Deadlines, DeadlinesShown},
    held::{How, Known},
    input::{Count, Dollars, Input, Millis, PermitId},
    uuid, would_refuse,
};
use crate::{emergency, prices::Rate};

/// A permit that lives on.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Alive {
    id: Uuid,
    /// When it ends by itself unless it is renewed; not told where it did not change.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Instant>,
    #[serde(flatten)]
    deadlines: DeadlinesShown,
}

/// A permit that has ended.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Ended {
    id: Uuid,
    /// What it is charged.
    #[schema(value_type = String, example = "0.0002606")]
    usd: NanoUsd,
    /// What of that is more than was reserved, if any is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    overrun_usd: Option<NanoUsd>,
}

/// What was really used. What is not said was used as it was reserved; where tokens are
/// said and their price is known, they imply the dollars.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Used {
    input_tokens: Option<Count>,
    output_tokens: Option<Count>,
    usd: Option<Dollars>,
    seconds: Option<Millis>,
    outcome: Option<Outcome>,
}

/// How the work went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Success,
    Failure,
}

/// Asks for more, all or nothing.
#[utoipa::path(post, path = "/v1/permits/{id}/extend", tag = "permits", request_body = Amount,
    params(("id" = Uuid, Path, description = "The permit")), responses(
    (status = 200, description = "It holds that much more", body = Alive),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 404, description = "There is no such permit", body = Problem),
    (status = 409, description = "It has ended", body = Problem),
    (status = 429, description = "A limit is reached; it holds what it held", body = Problem),
    (status = 503, description = "The store cannot answer, or there is an emergency", body = Problem),
))]
pub(super) async fn extend(
    State(api): State<Shared>,
    PermitId(id): PermitId,
    Input(amount): Input<Amount>,
) -> Result<Json<Alive>, Response> {
    let (known, now) = (api.held.known(id), api.app.gate.clock().now());
    alive(known.as_ref(), now).map_err(IntoResponse::into_response)?;
    let deadlines = Known::deadlines(known.as_ref());
    let more = amount.demand(known.as_ref().and_then(|known| known.rate.as_ref()));
    if more == Amounts::default() {
        let nothing = Problem::invalid(
            "It asks for nothing more: give at least one of `requests`, `input_tokens`, `output_tokens`, `usd` and `seconds`.",
        );
        return Err(nothing.into_response());
    }
    let live = api.app.live();
    // Of whom nothing is known any more, nothing says that it is critical.
    let who = known.map(|known| known.attributes).unwrap_or_default();
    emergency::check(&api.app, &live.settings.emergency, &who)
        .map_err(|failure| Problem::from(failure).into_response())?;
    let decided = api.app.gate.store().extend(id, &more, now).await;
    let decided = decided.map_err(|error| Problem::from(error).into_response())?;
    admitted(decided, &live, now).map_err(|no| would_refuse(&no, &who))?;
    api.held.extended(id, &more);
    Ok(Json(Alive { id: uuid(id), expires_at: None, deadlines: deadlines.shown(now) }))
}

/// Keeps a permit from expiring for another while.
#[utoipa::path(post, path = "/v1/permits/{id}/renew", tag = "permits",
    params(("id" = Uuid, Path, description = "The permit")), responses(
    (status = 200, description = "It lives on", body = Alive),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 404, description = "There is no such permit", body = Problem),
    (status = 409, description = "It has ended", body = Problem),
    (status = 503, description = "The store cannot answer", body = Problem),
))]
pub(super) async fn renew(
    State(api): State<Shared>,
    PermitId(id): PermitId,
) -> Result<Json<Alive>, Problem> {
    let (known, now) = (api.held.known(id), api.app.gate.clock().now());
    alive(known.as_ref(), now)?;
    let deadlines = Known::deadlines(known.as_ref());
    let expires = deadlines.cap(now.time.after(api.app.gate.hold()));
    api.app.gate.store().renew(id, expires, now).await?;
    api.held.renewed(id, expires);
    let expires_at = Some(Instant::new(expires, now));
    Ok(Json(Alive { id: uuid(id), expires_at, deadlines: deadlines.shown(now) }))
}

/// Ends a permit with what was really used. Again, it changes nothing and answers the same.
#[utoipa::path(post, path = "/v1/permits/{id}/settle", tag = "permits", request_body = Used,
    params(("id" = Uuid, Path, description = "The permit")), responses(
    (status = 200, description = "It is settled, and that survives a crash", body = Ended),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 404, description = "There is no such permit", body = Problem),
    (status = 409, description = "It was voided", body = Problem),
    (status = 503, description = "The store cannot answer", body = Problem),
))]
pub(super) async fn settle(
    State(api): State<Shared>,
    PermitId(id): PermitId,
    Input(used): Input<Used>,
) -> Result<Json<Ended>, Problem> {
    let known = api.held.known(id);
    if known.as_ref().and_then(|known| known.ended) == Some(How::Voided) {
        return Err(Problem::conflict("This permit was voided: make a new one for what was used."));
    }
    let store = api.app.gate.store();
    let usage = match &known {
        Some(known) => used.usage(&known.demand, known.rate.as_ref()),
        None => {
            if used.usd.is_none() && api.is_live(id).await? {
                return Err(Problem::invalid(
                    "What this permit reserved is not known any more, since the service has been restarted: give `usd`.",
                ));
            }
            used.usage(&Demand::default(), None)
        }
    };
    let receipt = store.settle(id, &usage, api.app.gate.clock().now()).await?;
    if api.held.ended(id, How::Settled) {
        api.count(known.as_ref(), &receipt);
        api.freed(known.as_ref());
        api.note_outcome(known.as_ref(), used.outcome);
    }
    store.durable().await?;
    Ok(Json(Ended::new(id, &receipt)))
}

/// Ends a permit of which nothing was used.
#[utoipa::path(post, path = "/v1/permits/{id}/void", tag = "permits",
    params(("id" = Uuid, Path, description = "The permit")), responses(
    (status = 200, description = "All it held is given back", body = Ended),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 404, description = "There is no such permit", body = Problem),
    (status = 409, description = "It was settled", body = Problem),
    (status = 503, description = "The store cannot answer", body = Problem),
))]
pub(super) async fn void(
    State(api): State<Shared>,
    PermitId(id): PermitId,
) -> Result<Json<Ended>, Problem> {
    let settled = || Problem::conflict("This permit was settled, so what it used stays charged.");
    if api.held.known(id).and_then(|known| known.ended) == Some(How::Settled) {
        return Err(settled());
    }
    let (store, known) = (api.app.gate.store(), api.held.known(id));
    let receipt = store.void(id, api.app.gate.clock().now()).await?;
    api.freed(known.as_ref());
    if receipt.usage != Usage::default() {
        return Err(settled());
    }
    api.held.ended(id, How::Voided);
    store.durable().await?;
    Ok(Json(Ended::new(id, &receipt)))
}

/// # Errors
/// When the permit is known to have ended.
fn alive(known: Option<&Known>, now: Now) -> Result<(), Problem> {
    match known.and_then(|known| known.ended) {
        None if Known::deadlines(known).are_over(now) => Err(Problem::conflict(
            "The hard time limit of this permit's task is over: settle it, and make a new one.",
        )),
        None => Ok(()),
        Some(How::Settled) => Err(Problem::conflict("This permit was settled: make a new one.")),
        Some(How::Voided) => Err(Problem::conflict("This permit was voided: make a new one.")),
    }
}

impl Known {
    /// How long its task may take, as far as that is known.
    fn deadlines(known: Option<&Self>) -> Deadlines {
        known.map(|known| known.deadlines).unwrap_or_default()
    }
}

impl Ended {
    fn new(id: ReservationId, receipt: &Receipt) -> Self {
        let overrun = receipt.overrun.cost;
        Self {
            id: uuid(id),
            usd: receipt.usage.cost,
            overrun_usd: (overrun > NanoUsd(0)).then_some(overrun),
        }
    }
}

impl Used {
    /// What was used of a permit that reserved `demand`.
    fn usage(&self, demand: &Demand, rate: Option<&Rate>) -> Usage {
        let input_tokens = self.input_tokens.map_or(demand.input_tokens, |Count(n)| n);
        let output_tokens = self.output_tokens.map_or(demand.output_tokens, |Count(n)| n);
        let millis = self.seconds.map_or(demand.millis, |Millis(millis)| millis);
        let says_tokens = self.input_tokens.or(self.output_tokens).is_some();
        let price = rate.and_then(Rate::price).filter(|_| says_tokens || self.seconds.is_some());
        let counts = Counts { millis, ..Counts::tokens(input_tokens, output_tokens) };
        let implied = || {
            price.map_or(demand.cost, |price| {
                let each = price.request.saturating_mul(demand.requests);
                NanoUsd(price.cost(&counts).0.saturating_add(each))
            })
        };
        let cost = self.usd.map_or_else(implied, |Dollars(usd)| usd);
        Usage { requests: demand.requests, input_tokens, output_tokens, cost, millis }
    }
}

impl Api {
    /// Counts how the work of a permit went, for the provider that it names.
    fn note_outcome(&self, known: Option<&Known>, outcome: Option<Outcome>) {
        let (Some(known), Some(outcome)) = (known, outcome) else { return };
        let live = self.app.live();
        let named = known.attributes.value(&Attribute::Provider);
        if let Some(provider) = named.and_then(|name| live.providers.named(name)) {
            provider.guard.note_elsewhere(outcome == Outcome::Success);
        }
    }

    /// Whether there is something to settle under an id that is not known here.
    async fn is_live(&self, id: ReservationId) -> Result<bool, Problem> {
        let now = self.app.gate.clock().now();
        // Nothing more is asked for, so nothing is held; only the answer counts.
        match self.app.gate.store().extend(id, &Amounts::default(), now).await {
            Ok(_) | Err(StoreError::Ended { .. }) => Ok(true),
            Err(StoreError::Unknown { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
