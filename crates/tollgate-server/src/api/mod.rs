//! `/v1`: permits, sessions, statistics and health for the operator's own back ends.
//!
//! Every route is registered together with its description, so that `/v1/openapi.json`
//! tells of all of them. What is refused is refused by the gateway's own rules, with the
//! same headers and in the same words.

mod access;
pub(crate) mod accounts;
mod aliases;
mod asked;
mod cache;
mod deadlines;
mod explained;
mod health;
mod held;
mod input;
mod instant;
mod permits;
mod problem;
mod sessions;
mod settlements;
mod shown;
mod stats;
#[cfg(test)]
pub(crate) mod tests;
mod tickets;
mod unserved;
mod users;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use smallvec::SmallVec;
use tollgate::{Cause, Receipt, Refused, StoreError};
use tollgate_core::{
    Admission, Attribute, Attributes, Decision, Now, Refusal, ReservationId, Retry,
};
use utoipa::{OpenApi, openapi};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use access::Caller;
pub(crate) use access::{Door, operator};
pub(crate) use aliases::answer as answer_alias;
pub(crate) use explained::explain;
pub(crate) use health::is_stored;
use held::{HeldPermits, Known};
pub(crate) use input::{Asking, Input, Named};
pub(crate) use instant::Instant;
pub(crate) use problem::Problem;
pub(crate) use shown::{LimitShown, Quantity};

use crate::{
    app::{App, VERSION},
    decisions, headers,
    live::Live,
    metrics::Finished,
    refusal::{self, Reader, Verdict},
    sessions::Given,
};

/// What every route shares.
#[derive(Debug)]
struct Api {
    app: Arc<App>,
    held: HeldPermits,
}

type Shared = Arc<Api>;

#[derive(OpenApi)]
#[openapi(info(
    title = "Tollgate",
    description = "Admission and spend control for AI traffic, for the operator's own back ends.",
    license(name = "Apache-2.0"),
))]
struct Description;

/// How often permits whose time is over are let go.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);

/// What serves `/v1`, `/livez`, `/readyz` and `/tollgate/health`. It is made within a
/// runtime, where permits are let go when their time is over, for as long as it lives.
pub(crate) fn router(app: Arc<App>) -> Router {
    let api = Arc::new(Api { app, held: HeldPermits::default() });
    tokio::spawn(let_go(Arc::downgrade(&api)));
    let (guarded, description) = guarded().split_for_parts();
    let guarded = guarded.layer(middleware::from_fn_with_state(Arc::clone(&api), guard));
    let (open, open_description) = open().split_for_parts();
    let mut description = description.merge_from(open_description);
    VERSION.clone_into(&mut description.info.version);
    guarded
        .merge(open)
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(Extension(Arc::new(description)))
        .with_state(api)
}

async fn let_go(api: Weak<Api>) {
    loop {
        tokio::time::sleep(EXPIRY_INTERVAL).await;
        let Some(api) = api.upgrade() else { return };
        api.held.expire(api.app.gate.clock().now().time);
    }
}

/// The routes that not everybody may use.
fn guarded() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(permits::create))
        .routes(routes!(permits::check))
        .routes(routes!(settlements::extend))
        .routes(routes!(settlements::settle))
        .routes(routes!(settlements::void))
        .routes(routes!(settlements::renew))
        .routes(routes!(sessions::open))
        .routes(routes!(sessions::touch, sessions::end))
        .routes(routes!(users::stats))
        .routes(routes!(cache::put, cache::find, cache::remove))
        .routes(routes!(cache::clear))
        .routes(routes!(stats::stats))
        .routes(routes!(health::health))
        .routes(routes!(describe))
}

/// The routes that everybody may use.
fn open() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::capacity_for_all))
        .routes(routes!(tickets::look, tickets::leave))
        .routes(routes!(tickets::events))
}

/// Lets in who may ask, and says who it is.
async fn guard(State(api): State<Shared>, mut request: Request, next: Next) -> Response {
    let caller = match access::caller(&api.app, &request) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if matches!(caller, Caller::User(_)) && route != Some(users::STATS) {
        return Problem::forbidden(
            "A user's key may read that user's statistics only: use the token of `[api]`.",
        )
        .into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// This API in the form of OpenAPI 3.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "about", responses(
    (status = 200, description = "This description", body = serde_json::Value),
))]
async fn describe(Extension(description): Extension<Arc<openapi::OpenApi>>) -> Response {
    Json(&*description).into_response()
}

async fn nowhere() -> Problem {
    Problem::not_found("There is nothing at this path: /v1/openapi.json lists what there is.")
}

async fn wrong_method() -> Response {
    let message = "This path does not take this method: /v1/openapi.json lists what it takes.";
    let body = serde_json::json!({
        "type": "about:blank", "title": "Method Not Allowed", "status": 405,
        "detail": message, "error": "invalid_request", "message": message,
    });
    let problem = HeaderValue::from_static("application/problem+json");
    let head = [(header::CONTENT_TYPE, problem)];
    (StatusCode::METHOD_NOT_ALLOWED, head, body.to_string()).into_response()
}

impl Api {
    /// Counts and renders a refusal.
    fn refuse(&self, refused: &Refused, asked: decisions::Asked<'_>) -> Response {
        self.refuse_with(refused, asked, None)
    }

    /// The same, with a place in the queue for a session.
    fn refuse_with(
        &self,
        refused: &Refused,
        asked: decisions::Asked<'_>,
        ticket: Option<Given>,
    ) -> Response {
        let verdict = Verdict { ticket, ..Verdict::new(refused, asked.who) };
        self.app.decisions.refused(asked, refused, &verdict);
        self.app.metrics.refused(&refused.policy, &refused.refusal, verdict.error);
        tracing::info!(
            limit = refused.limit().map_or("", |limit| limit.name.as_str()),
            status = verdict.status.as_u16(),
            "RATE_LIMIT refused: {}",
            verdict.detail,
        );
        let mut response = rendered(refused, &verdict, asked.who);
        let id = uuid(asked.id).to_string();
        headers::set(response.headers_mut(), headers::REQUEST_ID, Some(id));
        response
    }

    /// Counts a decision that the store could not make.
    fn store_failed(&self, error: StoreError) -> Problem {
        let problem = Problem::from(error);
        self.app.metrics.store_failed("closed");
        self.app.metrics.turned_away(problem.error());
        problem
    }

    /// Lets those go on who wait for what a permit held.
    fn freed(&self, known: Option<&Known>) {
        match known {
            Some(known) => self.app.gate.freed(&known.attributes),
            None => self.app.gate.freed_something(),
        }
    }

    /// Counts what a permit was charged.
    fn count(&self, known: Option<&Known>, receipt: &Receipt) {
        let named = |attribute| {
            known.and_then(|known| known.attributes.value(attribute)).unwrap_or_default()
        };
        self.app.metrics.finished(&Finished {
            provider: named(&Attribute::Provider),
            model: named(&Attribute::Model),
            usage: &receipt.usage,
            overrun: &receipt.overrun,
            lasted: None,
            added: None,
        });
    }
}

fn rendered(refused: &Refused, verdict: &Verdict, who: &Attributes) -> Response {
    refusal::refused(refused, verdict, who, Reader::PROBLEM).map(Body::new)
}

/// A refusal that is not counted: nobody was turned away.
fn would_refuse(refused: &Refused, who: &Attributes) -> Response {
    rendered(refused, &Verdict::new(refused, who), who)
}

const fn uuid(id: ReservationId) -> Uuid {
    Uuid::from_u128(id.0)
}

/// What was admitted, or the refusal under this policy. Nothing waits yet: what would have
/// to is refused with what is known of when.
fn admitted(decision: Decision, live: &Live, now: Now) -> Result<Admission, Box<Refused>> {
    let refusal = match decision {
        Decision::Admit(admission) => return Ok(admission),
        Decision::Refuse(refusal) => refusal,
        Decision::Wait(waiting) => Refusal {
            limit: waiting.limit,
            retry: Retry::NotBefore(waiting.until.unwrap_or(now.time)),
            standings: SmallVec::new(),
            shadowed: SmallVec::new(),
        },
    };
    Err(Box::new(Refused { refusal, policy: Arc::clone(&live.policy), now, cause: Cause::Limit }))
}
