//! Permits for work that does not pass through the gateway: asking for them.

use std::{pin::Pin, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use tollgate::{AnyStore, Cause, Entered, Refused, Store as _, StoreError, Verdict, new_id};
use tollgate_core::{
    Admission, Attribute, Attributes, Demand, Now, Policy, ReservationId, Standing,
};
use uuid::Uuid;

use super::{
    Api, Instant, Problem, Shared, admitted,
    asked::Asked,
    deadlines::{Deadlines, DeadlinesShown},
    held::{Before, Held},
    input::Input,
    shown::LimitShown,
    uuid, would_refuse,
};
use crate::{
    app::App,
    decisions, emergency,
    headers::{self, Told},
    live::Live,
    prices::Rate,
    refusal::Form,
    roster::Moment,
};

/// A permit that was given.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Permit {
    id: Uuid,
    /// How long it waited for its turn.
    waited_ms: u64,
    /// When it ends by itself unless it is renewed.
    expires_at: Instant,
    #[serde(flatten)]
    deadlines: DeadlinesShown,
    /// Where the limits that it is charged to stand now.
    limits: Vec<LimitShown>,
}

/// What would be answered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Checked {
    /// Whether a permit would be given; a refusal is answered as it would be.
    admitted: bool,
    /// Where the limits that it would be charged to stand now.
    limits: Vec<LimitShown>,
}

const ADMIT: HeaderValue = HeaderValue::from_static("admit");

/// Asks for leave to run. The same id again answers the same.
#[utoipa::path(post, path = "/v1/permits", tag = "permits", request_body = Asked, responses(
    (status = 201, description = "It may run", body = Permit),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 401, description = "The key that is named was revoked or has expired", body = Problem),
    (status = 403, description = "The model has no price, or the key is for others", body = Problem),
    (status = 409, description = "The id was used for another request", body = Problem),
    (status = 408, description = "Its turn did not come in time", body = Problem),
    (status = 429, description = "A limit is reached, or its queue is full", body = Problem),
    (status = 503, description = "The server is full, or the store cannot answer", body = Problem),
))]
pub(super) async fn create(
    State(api): State<Shared>,
    Input(asked): Input<Asked>,
) -> Result<Response, Response> {
    let live = api.app.live();
    let now = api.app.gate.clock().now();
    let id = asked.id.map_or_else(|| new_id(now.wall), |id| ReservationId(id.as_u128()));
    let fingerprint = asked.fingerprint();
    if let Some(before) = api.held.before(id, fingerprint) {
        return again(before).map_err(IntoResponse::into_response);
    }
    let (who, demand, rate) = understood(&api.app, &live, &asked, now).map_err(|problem| {
        if problem.is_refusal() {
            api.app.metrics.turned_away(problem.error());
        }
        problem.into_response()
    })?;
    let (asked_at, hold) = (now, api.app.gate.hold());
    let limits = |now: Now| Deadlines::of(&live.settings.tasks, &who, now);
    let expires = limits(now).cap(now.time.after(hold));
    let mut order = live.policy.order(id, &who, &demand, now, expires);
    (order.report, order.keep) = (true, true);
    let entering = api.app.gate.enter_order(Arc::clone(&live.policy), order, asked.patience(), now);
    let about = decisions::Asked { id, who: &who, demand: Some(&demand), attempts: None };
    let (waited, admission) = api.granted(Box::pin(entering), about).await?;
    let now = api.app.gate.clock().now();
    if !waited.is_zero() {
        api.app.decisions.admitted(about, waited, now);
    }
    let deadlines = limits(now);
    let expires = if now.time == asked_at.time {
        expires
    } else {
        // Its task begins when its turn has come.
        let from_now = deadlines.cap(now.time.after(hold)).max(expires);
        api.app.gate.store().renew(id, from_now, now).await.map_or(expires, |()| from_now)
    };
    // Whoever is told yes may spend at once, so the hold must outlive a crash from here on.
    if let Err(error) = api.app.gate.store().durable().await {
        let _ = api.app.gate.store().void(id, now).await;
        api.app.gate.freed(&who);
        return Err(api.store_failed(error).into_response());
    }
    let permit = Permit {
        id: uuid(id),
        waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        expires_at: Instant::new(expires, now),
        deadlines: deadlines.shown(now),
        limits: LimitShown::all(&admission.standings, &live.policy, now),
    };
    let answer = Bytes::from(serde_json::to_vec(&permit).unwrap_or_default());
    let mut response = created(answer.clone());
    tell(response.headers_mut(), &live.policy, &who, &admission.standings, now);
    headers::set(response.headers_mut(), headers::REQUEST_ID, Some(uuid(id).to_string()));
    headers::tell_waited(response.headers_mut(), waited);
    let running = Some(api.app.metrics.running(who.value(&Attribute::User)));
    let attributes = who;
    let held = Held { fingerprint, attributes, demand, rate, expires, deadlines, answer, running };
    match api.held.insert(id, held, now.time) {
        Some(before) => again(before).map_err(IntoResponse::into_response),
        None => {
            api.app.metrics.admitted(&live.policy, &admission.shadowed);
            Ok(response)
        }
    }
}

impl Api {
    /// What was granted after how long a wait, or the refusal.
    async fn granted(
        &self,
        entering: Pin<Box<dyn Future<Output = Result<Entered<AnyStore>, StoreError>> + Send + '_>>,
        asked: decisions::Asked<'_>,
    ) -> Result<(Duration, Admission), Response> {
        let who = asked.who;
        let (app, metrics) = (&self.app, &self.app.metrics);
        let live = app.live();
        let emergency = &live.settings.emergency;
        let mut in_way = None;
        let verdict = match entering.await {
            Ok(Entered::Admit(permit)) => Ok(Verdict::Admit(permit)),
            Ok(Entered::Refuse(refused)) => Ok(Verdict::Refuse(refused)),
            Ok(Entered::Wait(waiting)) => {
                let _counted = metrics.waiting(who.value(&Attribute::User));
                in_way = Some(waiting.limit());
                tokio::select! {
                    biased;
                    verdict = waiting.turn() => verdict,
                    stopped = emergency::stops(app, emergency, who) => {
                        return Err(Problem::from(stopped).into_response());
                    }
                }
            }
            Err(error) => Err(error),
        };
        let verdict = verdict.map_err(|error| self.store_failed(error).into_response())?;
        let waited = match &verdict {
            Verdict::Admit(permit) => Some(permit.waited()),
            Verdict::Refuse(Refused { cause: Cause::TimedOut { waited }, .. }) => Some(*waited),
            Verdict::Refuse(_) => None,
        };
        if let (Some(limit), Some(waited)) = (in_way, waited) {
            metrics.waited(&self.app.gate.policy(), limit, waited);
        }
        match verdict {
            Verdict::Admit(permit) => {
                // An emergency may have begun since it was asked for.
                if let Err(failure) = emergency::check(app, emergency, who) {
                    let voided = permit.void().await;
                    voided.map_err(|error| self.store_failed(error).into_response())?;
                    return Err(Problem::from(failure).into_response());
                }
                Ok((permit.waited(), permit.into_id().1))
            }
            Verdict::Refuse(refused) => Err(self.refuse(&refused, asked)),
        }
    }
}

/// Says what a permit would be answered with. Holds nothing.
#[utoipa::path(post, path = "/v1/check", tag = "permits", request_body = Asked, responses(
    (status = 200, description = "It would be admitted", body = Checked),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 403, description = "The model has no price", body = Problem),
    (status = 429, description = "It would be refused", body = Problem),
    (status = 503, description = "It would be refused", body = Problem),
))]
pub(super) async fn check(
    State(api): State<Shared>,
    Input(asked): Input<Asked>,
) -> Result<Response, Response> {
    let live = api.app.live();
    let now = api.app.gate.clock().now();
    let (who, demand, _) =
        understood(&api.app, &live, &asked, now).map_err(IntoResponse::into_response)?;
    let mut order = live.policy.order(ReservationId(0), &who, &demand, now, now.time);
    order.report = true;
    let decided = api.app.gate.store().check(&order, now).await.map(|it| it.told(&order));
    drop(order);
    let decided = decided.map_err(|error| Problem::from(error).into_response())?;
    let admission = admitted(decided, &live, now).map_err(|no| would_refuse(&no, &who))?;
    let limits = LimitShown::all(&admission.standings, &live.policy, now);
    let mut response = Json(Checked { admitted: true, limits }).into_response();
    response.headers_mut().insert(headers::DECISION, ADMIT);
    tell(response.headers_mut(), &live.policy, &who, &admission.standings, now);
    Ok(response)
}

/// Who asks for what, how much of it, and what its tokens cost.
pub(super) fn understood(
    app: &App,
    live: &Live,
    asked: &Asked,
    now: Now,
) -> Result<(Attributes, Demand, Option<Rate>), Problem> {
    let mut who = asked.attributes()?;
    let roster = app.roster.snapshot();
    if let Some(key) = who.value(&Attribute::Key).and_then(|id| roster.key(id)) {
        let named = |attribute| who.value(&attribute);
        key.works(Moment::of(now.wall))?;
        let provider = named(Attribute::Provider).map_or(Ok(()), |it| key.allow_provider(it));
        let model = named(Attribute::Model).map_or(Ok(()), |it| key.allow_model(Some(it)));
        provider.and(model).map_err(Problem::forbidden)?;
    }
    roster.grant(&mut who, &live.policy, now);
    emergency::check(app, &live.settings.emergency, &who)?;
    let rate = asked.rate(live, &who, now)?;
    let demand = asked.demand(rate.as_ref());
    Ok((who, demand, rate))
}

/// The answer to an id that was asked for before.
fn again(before: Before) -> Result<Response, Problem> {
    match before {
        Before::Same(answer) => Ok(created(answer)),
        Before::Other => Err(Problem::conflict(
            "This id was used for another request: choose a new one, or ask for the same again.",
        )),
    }
}

fn created(answer: Bytes) -> Response {
    let json = HeaderValue::from_static("application/json");
    let head = [(header::CONTENT_TYPE, json), (headers::DECISION, ADMIT)];
    (StatusCode::CREATED, head, answer).into_response()
}

/// Tells where the limits stand, as the gateway does.
fn tell(
    headers: &mut HeaderMap,
    policy: &Policy,
    who: &Attributes,
    standings: &[Standing],
    now: Now,
) {
    headers::add(
        headers,
        &Told { policy, who, standings, binding: None, now, form: Form::Problem },
    );
}
